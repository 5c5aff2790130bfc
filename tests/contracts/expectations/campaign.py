"""What campaign relies on: what members buy and get back, and the shop's program."""

from contracts import core, shop
from tests.contracts.pacts import Pact, Reads
from tests.contracts.parts import Program, Purchase, RefundPart

PACT = Pact(
    "campaign",
    reads=(
        Reads(shop.ORDER_EVENTS, Purchase),
        Reads((shop.REFUND_CREATED,), RefundPart),
        Reads((core.SETTINGS_UPDATED,), Program),
    ),
)
