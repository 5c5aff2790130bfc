"""What the gateway relies on: whose webhook it is, what people may do, what is revoked."""

from uuid import UUID

from contracts import auth, roles, sessions
from contracts.kit import Instant
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part
from tests.contracts.parts import KEYS_OF_SHOPS, Granted


class ShopAtTheEdge(Part, frozen=True, kw_only=True):
    """A shop that has removed the app is not served any more."""

    merchant_id: UUID
    status: str


class GrantedUntil(Granted, frozen=True, kw_only=True):
    """It holds while the shop's ``version`` is this."""

    version: int = 0


class VersionsOf(Part, frozen=True, kw_only=True):
    versions: tuple[int, ...]


class RevokedPart(Part, frozen=True, kw_only=True):
    session_id: UUID | None = None
    token_id: str = ""
    expires_at: Instant


class RevokedSince(Part, frozen=True, kw_only=True):
    """All that was revoked since ``as_of`` of the answer before."""

    as_of: Instant
    revoked: tuple[RevokedPart, ...]


PACT = Pact(
    "api_gateway",
    calls=(
        Calls(
            auth.VALIDATE_MERCHANT,
            {"shop_domain": "demo-store.myshopify.com"},
            ShopAtTheEdge,
            (NotFound,),
        ),
        *KEYS_OF_SHOPS,
        Calls(roles.GET_ASSIGNMENT, {"subject": "staff:1"}, GrantedUntil),
        Calls(roles.GET_PERMISSIONS, {"role": "clerk"}, GrantedUntil, (NotFound,)),
        Calls(
            roles.GET_VERSIONS,
            {"merchant_ids": ["01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"]},
            VersionsOf,
        ),
        Calls(sessions.LIST_REVOKED, {"since": "2026-11-20T12:00:00Z"}, RevokedSince),
    ),
)
