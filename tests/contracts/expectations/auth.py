"""What auth relies on: what becomes of a shop and what it grants, and the roles of its staff."""

from contracts import auth, keys, roles, shop
from contracts.kit import Instant
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part, Reads
from tests.contracts.parts import RESEALING


class ShopStatus(Part, frozen=True, kw_only=True):
    status: str


class Removal(Part, frozen=True, kw_only=True):
    """When the app was removed, which orders removals and installations."""

    removed_at: Instant | None = None


class Scopes(Part, frozen=True, kw_only=True):
    granted: tuple[str, ...]
    changed_at: Instant


class RoleOf(Part, frozen=True, kw_only=True):
    role: str


class Rows(Part, frozen=True, kw_only=True):
    rows: tuple[int, ...]


UNDER = {"merchant_id": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11", "key_id": "71ec797bd7fb35db"}

PACT = Pact(
    "auth",
    reads=(
        Reads((shop.APP_UNINSTALLED,), Removal),
        Reads((shop.SCOPES_CHANGED,), Scopes),
        Reads((auth.MERCHANT_CHANGED,), ShopStatus),
        *RESEALING,
    ),
    calls=(
        Calls(roles.GET_PERMISSIONS, {"role": "owner"}, Part, (NotFound,)),
        Calls(roles.ADMIT_STAFF, {"subject": "staff:548380009"}, RoleOf),
        *(
            Calls(each, {"keys": [UNDER]}, Rows)
            for each in keys.COUNT_SEALED_ROWS.values()
            if each.service != "auth"
        ),
    ),
)
