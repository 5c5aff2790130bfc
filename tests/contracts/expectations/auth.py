"""What auth relies on: what becomes of a shop and what it grants, and the roles of its staff."""

from contracts import auth, roles, shop
from contracts.kit import Instant
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part, Reads


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


PACT = Pact(
    "auth",
    reads=(
        Reads((shop.APP_UNINSTALLED,), Removal),
        Reads((shop.SCOPES_CHANGED,), Scopes),
        Reads((auth.MERCHANT_CHANGED,), ShopStatus),
    ),
    calls=(
        Calls(roles.GET_PERMISSIONS, {"role": "owner"}, Part, (NotFound,)),
        Calls(roles.ADMIT_STAFF, {"subject": "staff:548380009"}, RoleOf),
    ),
)
