"""What gamification relies on: orders for badges, earned points and the shop's day for boards."""

from uuid import UUID

from contracts import auth, core, points, shop
from contracts.kit import Instant
from services.gamification.badges import BuyersOrder
from tests.contracts.pacts import Pact, Part, Reads
from tests.contracts.parts import Program


class Earned(Part, frozen=True, kw_only=True):
    customer_id: UUID
    points: int
    occurred_at: Instant


class NewShop(Part, frozen=True, kw_only=True):
    time_zone: str


PACT = Pact(
    "gamification",
    reads=(
        Reads(shop.ORDER_EVENTS, BuyersOrder),
        Reads((points.EARNED,), Earned),
        Reads((auth.MERCHANT_CREATED,), NewShop),
        Reads((core.SETTINGS_UPDATED,), Program),
    ),
)
