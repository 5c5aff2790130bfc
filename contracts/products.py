"""Products: the shop's catalogue, kept from its webhooks, searchable with typos."""

from decimal import Decimal
from typing import Final

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Instant,
    Nothing,
    Operation,
    Page,
    Request,
    Response,
    get,
)
from contracts.limits import SEARCHES
from domain.errors import InvalidRequest, NotFound


class GetProduct(Request, frozen=True, kw_only=True):
    product_id: str


class ProductCard(Response, frozen=True, kw_only=True):
    product_id: str
    title: str
    handle: str
    vendor: str
    product_type: str
    tags: tuple[str, ...]
    status: str
    price_min: Decimal
    price_max: Decimal
    image_url: str
    updated_at: Instant


GET_PRODUCT: Final = Operation(
    "products.v1.GetProduct",
    GetProduct,
    ProductCard,
    permission="products:read",
    summary="One product by its id at Shopify.",
    http=get("/v1/api/products/get"),
    errors=(NotFound,),
)


class ListProducts(Request, frozen=True, kw_only=True):
    cursor: str | None = None
    limit: int = 50


class Products(Page, frozen=True, kw_only=True):
    products: tuple[ProductCard, ...]


LIST_PRODUCTS: Final = Operation(
    "products.v1.ListProducts",
    ListProducts,
    Products,
    permission="products:read",
    summary="The catalogue, by title.",
    http=get("/v1/api/products"),
    errors=(InvalidRequest,),
)


class SearchProducts(Request, frozen=True, kw_only=True):
    """``query`` may be misspelt; ``limit`` is 1 to 250."""

    query: str
    limit: int = 20
    cursor: str | None = None


SEARCH_PRODUCTS: Final = Operation(
    "products.v1.SearchProducts",
    SearchProducts,
    Products,
    permission="products:read",
    summary="Products that match, best first.",
    http=get("/v1/api/products/search"),
    errors=(InvalidRequest,),
    rate=SEARCHES,
)


class CollectionKnown(Response, frozen=True, kw_only=True):
    """A collection by the number in its id at Shopify, and how many products are in it."""

    collection_id: str
    products: int


class CollectionsKnown(Response, frozen=True, kw_only=True):
    """The collections that the program names, as they were when Shopify was last asked for all of
    them (``synced_at``; None: not yet) or for a product that had changed since. ``problem`` says in
    words what is wrong, empty where nothing is."""

    collections: tuple[CollectionKnown, ...]
    synced_at: Instant | None = None
    problem: str = ""


GET_COLLECTIONS: Final = Operation(
    "products.v1.GetCollections",
    Nothing,
    CollectionsKnown,
    permission="products:read",
    summary="What is known of the collections that the program names.",
    http=get("/v1/api/products/collections"),
)


class ProductCollections(Body, frozen=True, kw_only=True):
    """``collections`` are those that the product is in, of the ones that the program names:
    Shopify's ids, as numbers, sorted. A higher version is newer."""

    product_id: str
    collections: tuple[str, ...]
    version: int


PRODUCT_COLLECTIONS: Final = Event(
    "product.collections",
    ProductCollections,
    "products",
    "A product came into a collection that the program names, or went out of one.",
)

CONTRACTS: Final = Contracts(
    operations=(GET_PRODUCT, LIST_PRODUCTS, SEARCH_PRODUCTS, GET_COLLECTIONS),
    events=(PRODUCT_COLLECTIONS,),
)
