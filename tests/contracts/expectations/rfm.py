"""What rfm relies on: what members buy and get back, and the shop's program."""

from uuid import UUID

from contracts import core, shop, users
from ports.purchases import MoneyBack, Purchase
from tests.contracts.pacts import Pact, Part, Reads
from tests.contracts.parts import Program


class Merged(Part, frozen=True, kw_only=True):
    kept_id: UUID
    merged_id: UUID
    version: int


class Gone(Part, frozen=True, kw_only=True):
    user_id: UUID
    kind: str


PACT = Pact(
    "rfm",
    reads=(
        Reads(shop.ORDER_EVENTS, Purchase),
        Reads((shop.REFUND_CREATED,), MoneyBack),
        Reads((core.SETTINGS_UPDATED,), Program),
        Reads((users.CUSTOMER_MERGED,), Merged),
        Reads((users.USER_DELETED,), Gone),
    ),
)
