"""Parts of events that several consumers read in the same way."""

from uuid import UUID

from contracts import auth, installs, keys
from contracts.kit import Instant
from domain.errors import NotFound
from domain.program import ProgramSettings
from tests.contracts.pacts import Calls, Part, Reads


class Program(Part, frozen=True, kw_only=True):
    """Kept whole; a higher version replaces a lower one."""

    settings: ProgramSettings


class ShopKeys(Part, frozen=True, kw_only=True):
    """The keys that a shop's personal data is sealed with, and those it may still be under."""

    merchant_id: UUID
    wrapped_key: str
    index_key: str = ""
    older_keys: tuple[str, ...] = ()
    keys_version: int = 0


class KeyChange(Part, frozen=True, kw_only=True):
    merchant_id: UUID
    version: int
    destroyed: bool


class KeyChanges(Part, frozen=True, kw_only=True):
    as_of: Instant
    changes: tuple[KeyChange, ...]


KEYS_OF_SHOPS = (
    Calls(
        auth.VALIDATE_MERCHANT,
        {"merchant_id": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"},
        ShopKeys,
        (NotFound,),
    ),
    Calls(keys.LIST_KEY_CHANGES, {"since": "2026-11-20T12:00:00Z"}, KeyChanges),
)
"""What everybody relies on who seals for shops, opens, or makes blind indexes."""


class AccessToShopify(Part, frozen=True, kw_only=True):
    shop_domain: str
    access_token: str
    expires_at: Instant
    version: int


ACCESS_TO_SHOPIFY = Calls(
    installs.GET_SHOPIFY_ACCESS,
    {"refused_version": 3},
    AccessToShopify,
    (installs.AccessLost, installs.ShopifyUnavailable, NotFound),
)
"""What everybody relies on who asks shops' Admin API."""


RESEALING = (Reads((keys.MERCHANT_KEY_ROTATED, keys.MERCHANT_KEY_DESTROYED), Part),)
"""What those rely on who keep sealed rows: only that it is told."""


class Granted(Part, frozen=True, kw_only=True):
    permissions: tuple[str, ...]
