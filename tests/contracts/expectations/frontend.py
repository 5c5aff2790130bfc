"""What the frontend relies on: the shop whose page it shows."""

from contracts import auth
from tests.contracts.pacts import Calls, Pact, Part


class ShopOfPage(Part, frozen=True, kw_only=True):
    shop_domain: str
    status: str
    currency: str
    time_zone: str


PACT = Pact(
    "frontend",
    calls=(
        Calls(
            auth.VALIDATE_MERCHANT,
            {"merchant_id": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"},
            ShopOfPage,
        ),
    ),
)
