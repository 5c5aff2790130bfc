"""What the gateway relies on: whose webhook it is, and what people and roles may do."""

from contracts import auth, roles
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part
from tests.contracts.parts import Granted, ShopKey


class GrantedUntil(Granted, frozen=True, kw_only=True):
    """It holds while the shop's ``version`` is this."""

    version: int = 0


class VersionsOf(Part, frozen=True, kw_only=True):
    versions: tuple[int, ...]


PACT = Pact(
    "api_gateway",
    calls=(
        Calls(
            auth.VALIDATE_MERCHANT,
            {"shop_domain": "demo-store.myshopify.com"},
            ShopKey,
            (NotFound,),
        ),
        Calls(roles.GET_ASSIGNMENT, {"subject": "staff:1"}, GrantedUntil),
        Calls(roles.GET_PERMISSIONS, {"role": "clerk"}, GrantedUntil, (NotFound,)),
        Calls(
            roles.GET_VERSIONS,
            {"merchant_ids": ["01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"]},
            VersionsOf,
        ),
    ),
)
