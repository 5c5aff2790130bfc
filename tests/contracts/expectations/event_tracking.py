"""What event tracking relies on: that it is told which shops are closed."""

from contracts import auth
from tests.contracts.pacts import Pact, Part, Reads


class ShopStatus(Part, frozen=True, kw_only=True):
    status: str


PACT = Pact("event_tracking", reads=(Reads((auth.MERCHANT_CHANGED,), ShopStatus),))
