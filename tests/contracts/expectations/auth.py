"""What auth relies on: that a removal of the app is told, what becomes of a shop, its roles."""

from contracts import auth, roles, shop
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part, Reads


class ShopStatus(Part, frozen=True, kw_only=True):
    status: str


PACT = Pact(
    "auth",
    reads=(Reads((shop.APP_UNINSTALLED,), Part), Reads((auth.MERCHANT_CHANGED,), ShopStatus)),
    calls=(Calls(roles.GET_PERMISSIONS, {"role": "owner"}, Part, (NotFound,)),),
)
