"""What roles relies on: that a new shop is announced, whatever is said of it."""

from contracts import auth
from tests.contracts.pacts import Pact, Part, Reads

PACT = Pact("roles", reads=(Reads((auth.MERCHANT_CREATED,), Part),))
