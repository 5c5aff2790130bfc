"""What products relies on: the shop's catalogue, as its webhooks tell it."""

from decimal import Decimal

from contracts import shop
from contracts.kit import Instant
from tests.contracts.pacts import Pact, Part, Reads


class Listed(Part, frozen=True, kw_only=True):
    product_id: str
    title: str
    handle: str = ""
    vendor: str = ""
    product_type: str = ""
    tags: tuple[str, ...] = ()
    status: str = "active"
    price_min: Decimal = Decimal(0)
    price_max: Decimal = Decimal(0)
    image_url: str = ""
    updated_at: Instant


class Gone(Part, frozen=True, kw_only=True):
    product_id: str


PACT = Pact(
    "products",
    reads=(
        Reads((shop.PRODUCT_CREATED, shop.PRODUCT_UPDATED), Listed),
        Reads((shop.PRODUCT_DELETED,), Gone),
    ),
)
