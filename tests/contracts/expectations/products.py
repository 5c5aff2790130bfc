"""What products relies on: the shop's catalogue, as its webhooks tell it, and its program."""

from decimal import Decimal

from contracts import core, installs, shop
from contracts.kit import Instant
from tests.contracts.pacts import Pact, Part, Reads
from tests.contracts.parts import ACCESS_TO_SHOPIFY, Program


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


class OfCollection(Part, frozen=True, kw_only=True):
    """A collection that has changed, or is gone."""

    collection_id: str


PACT = Pact(
    "products",
    reads=(
        Reads((core.SETTINGS_UPDATED,), Program),
        Reads((installs.SHOP_CONNECTED,), Part),
        Reads((shop.PRODUCT_CREATED, shop.PRODUCT_UPDATED), Listed),
        Reads((shop.PRODUCT_DELETED,), Gone),
        Reads((shop.COLLECTION_UPDATED, shop.COLLECTION_DELETED), OfCollection),
    ),
    calls=(ACCESS_TO_SHOPIFY,),
)
