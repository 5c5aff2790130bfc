"""What auth relies on: that a removal of the app is told, and whether a shop has a role."""

from contracts import roles, shop
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part, Reads

PACT = Pact(
    "auth",
    reads=(Reads((shop.APP_UNINSTALLED,), Part),),
    calls=(Calls(roles.GET_PERMISSIONS, {"role": "owner"}, Part, (NotFound,)),),
)
