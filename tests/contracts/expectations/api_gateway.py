"""What the gateway relies on: whose webhook it is, and what a role may do."""

from contracts import auth, roles
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact
from tests.contracts.parts import Granted, ShopKey

PACT = Pact(
    "api_gateway",
    calls=(
        Calls(
            auth.VALIDATE_MERCHANT,
            {"shop_domain": "demo-store.myshopify.com"},
            ShopKey,
            (NotFound,),
        ),
        Calls(roles.GET_PERMISSIONS, {"role": "viewer"}, Granted, (NotFound,)),
    ),
)
