"""What core relies on: orders to count, the parts a member's profile is made of, new shops."""

from decimal import Decimal
from uuid import UUID

from contracts import auth, campaign, installs, rfm, shop, users
from contracts.kit import Instant
from services.core.usage import OrderToCount
from tests.contracts.pacts import Pact, Part, Reads
from tests.contracts.parts import ACCESS_TO_SHOPIFY, KEYS_OF_SHOPS


class Person(Part, frozen=True, kw_only=True):
    user_id: UUID
    kind: str
    shopify_customer_id: str = ""
    occurred_at: Instant


class Deleted(Part, frozen=True, kw_only=True):
    user_id: UUID
    kind: str


class Merged(Part, frozen=True, kw_only=True):
    kept_id: UUID
    merged_id: UUID
    version: int


class Scores(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str = ""
    recency: int
    frequency: int
    monetary: int
    segment: str
    orders: int
    spent: Decimal
    last_order_at: Instant | None = None
    version: int
    occurred_at: Instant


class Tier(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str = ""
    tier: str
    version: int
    occurred_at: Instant


class NewShop(Part, frozen=True, kw_only=True):
    currency: str
    time_zone: str


class Connected(Part, frozen=True, kw_only=True):
    connected_at: Instant


PACT = Pact(
    "core",
    reads=(
        Reads(shop.ORDER_EVENTS, OrderToCount),
        Reads((users.USER_CREATED,), Person),
        Reads((users.USER_DELETED,), Deleted),
        Reads((users.CUSTOMER_MERGED,), Merged),
        Reads((rfm.RFM_UPDATED,), Scores),
        Reads((campaign.TIER_ASSIGNED,), Tier),
        Reads((auth.MERCHANT_CREATED,), NewShop),
        Reads((installs.SHOP_CONNECTED,), Connected),
    ),
    calls=(*KEYS_OF_SHOPS, ACCESS_TO_SHOPIFY),
)
