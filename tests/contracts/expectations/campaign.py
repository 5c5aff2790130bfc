"""What campaign relies on: what members have bought in all, and the shop's program."""

from decimal import Decimal
from uuid import UUID

from contracts import core, rfm
from tests.contracts.pacts import Pact, Part, Reads
from tests.contracts.parts import Program


class Bought(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str = ""
    orders: int
    spent: Decimal
    version: int


PACT = Pact(
    "campaign",
    reads=(
        Reads((rfm.RFM_UPDATED,), Bought),
        Reads((core.SETTINGS_UPDATED,), Program),
    ),
)
