"""What points relies on: orders and refunds to earn by, goods, programs, members, referrals."""

from decimal import Decimal
from uuid import UUID

from contracts import core, installs, organizations, products, referrals, shop, users
from contracts.kit import Instant
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part, Reads
from tests.contracts.parts import KEYS_OF_SHOPS, RESEALING, Program


class Back(Part, frozen=True, kw_only=True):
    refund_id: str
    order_id: str
    created_at: Instant
    merchandise: Decimal


class Buyer(Part, frozen=True, kw_only=True):
    customer_id: UUID


class Bought(Part, frozen=True, kw_only=True):
    product_id: str = ""
    total: Decimal
    gift_card: bool = False


class Purchase(Part, frozen=True, kw_only=True):
    order_id: str
    currency: str
    test: bool
    financial_status: str
    created_at: Instant
    updated_at: Instant
    subtotal: Decimal
    shipping: Decimal
    tax: Decimal
    cancelled_at: Instant | None = None
    customer: Buyer | None = None
    refunds: tuple[Back, ...] = ()
    fulfilled: bool = False
    discount_codes: tuple[str, ...] = ()
    lines: tuple[Bought, ...] = ()
    source: str
    receipt: str = ""
    checkout_digest: str = ""


class QueuedGoods(Part, frozen=True, kw_only=True):
    product_id: str = ""
    amount: Decimal


class QueuedLine(Part, frozen=True, kw_only=True):
    line_id: str
    kind: str
    happened_at: Instant
    order_id: str = ""
    receipt: str = ""
    shopify_customer_id: str = ""
    merchandise: Decimal
    tax: Decimal = Decimal(0)
    goods: tuple[QueuedGoods, ...] = ()
    refund_id: str = ""


class Queue(Part, frozen=True, kw_only=True):
    """What a till told, as ``points.v1.SyncSales`` takes it."""

    till_id: str
    location: str = ""
    sent_at: Instant
    lines: tuple[QueuedLine, ...] = ()


class Account(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str


class Listed(Part, frozen=True, kw_only=True):
    product_id: str
    tags: tuple[str, ...] = ()
    updated_at: Instant


class Gone(Part, frozen=True, kw_only=True):
    product_id: str


class Standing(Part, frozen=True, kw_only=True):
    """Who the member is by now; a higher version is newer."""

    customer_id: UUID
    tier: str = ""
    segment: str = ""
    version: int = 0


class Referral(Part, frozen=True, kw_only=True):
    referral_id: UUID
    advocate_id: UUID
    friend_id: UUID | None = None
    advocate_points: int = 0
    friend_points: int = 0


class Merged(Part, frozen=True, kw_only=True):
    kept_id: UUID
    merged_id: UUID
    version: int


class Redeeming(Part, frozen=True, kw_only=True):
    """Who redeems: the member by now, as Shopify knows them."""

    customer_id: UUID
    shopify_customer_id: str


class Access(Part, frozen=True, kw_only=True):
    shop_domain: str
    access_token: str
    expires_at: Instant
    version: int


class Celebrating(Part, frozen=True, kw_only=True):
    customer_id: UUID
    occurred_at: Instant


class InPool(Part, frozen=True, kw_only=True):
    customer_id: UUID
    pool_id: UUID
    organization_id: UUID
    version: int
    occurred_at: Instant


class InNoPool(Part, frozen=True, kw_only=True):
    customer_id: UUID
    version: int
    occurred_at: Instant


class InCollections(Part, frozen=True, kw_only=True):
    product_id: str
    collections: tuple[str, ...]
    version: int


PACT = Pact(
    "points",
    reads=(
        Reads(shop.ORDER_EVENTS, Purchase),
        Reads((shop.REFUND_CREATED,), Back),
        Reads((shop.TILL_SYNCED,), Queue),
        Reads((shop.CUSTOMER_CREATED,), Account),
        Reads((shop.PRODUCT_CREATED, shop.PRODUCT_UPDATED), Listed),
        Reads((shop.PRODUCT_DELETED,), Gone),
        Reads((core.CUSTOMER_CREATED, core.CUSTOMER_UPDATED), Standing),
        Reads((core.SETTINGS_UPDATED,), Program),
        Reads((referrals.REFERRAL_COMPLETED,), Referral),
        Reads((products.PRODUCT_COLLECTIONS,), InCollections),
        Reads((users.CUSTOMER_MERGED,), Merged),
        Reads((users.CUSTOMER_BIRTHDAY,), Celebrating),
        Reads((organizations.MEMBER_LINKED,), InPool),
        Reads((organizations.MEMBER_UNLINKED,), InNoPool),
        *RESEALING,
    ),
    calls=(
        Calls(
            core.GET_CUSTOMER_RFM,
            {"customer_id": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"},
            Redeeming,
            (NotFound,),
        ),
        Calls(
            installs.GET_SHOPIFY_ACCESS,
            {},
            Access,
            (installs.AccessLost, installs.ShopifyUnavailable, NotFound),
        ),
        *KEYS_OF_SHOPS,
    ),
)
