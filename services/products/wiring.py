"""How the products service is put together."""

from typing import Final

from adapters.nats.consumer import Consumes
from adapters.postgres.catalogue import PostgresCatalogue
from adapters.postgres.collections import PostgresCollections
from adapters.runtime.service import Loop, Service, answers
from adapters.runtime.shopify_admin import admin_client
from adapters.runtime.world import World
from adapters.shopify.admin.collections import ShopifyCollections
from adapters.telemetry.metrics import COLLECTIONS_LEARNT
from contracts import core, installs, products, shop
from ports.catalogue import Catalogue
from ports.collections import CollectionBook
from ports.unit import Units
from services.products.collecting import (
    WORK_SECONDS,
    Collecting,
    CollectionDesk,
    doubt,
    heed,
)
from services.products.finding import Shelves
from services.products.keeping import apply_products

_PRODUCT_EVENTS: Final = (shop.PRODUCT_CREATED, shop.PRODUCT_UPDATED, shop.PRODUCT_DELETED)
_COLLECTION_EVENTS: Final = (shop.COLLECTION_UPDATED, shop.COLLECTION_DELETED)


def service(world: World) -> Service:
    units: Units[Catalogue] = world.units("products", PostgresCatalogue)
    collections: Units[CollectionBook] = world.units("products", PostgresCollections)
    across: Units[CollectionBook] = world.units_across_shops("products", PostgresCollections)
    shelves = Shelves(units)
    shopify = admin_client(world, "products")
    collecting = Collecting(
        collections,
        across,
        ShopifyCollections(shopify),
        lambda outcome: COLLECTIONS_LEARNT.labels(outcome).inc(),
    )
    return Service(
        name="products",
        endpoints=(
            answers(products.GET_PRODUCT, shelves.product),
            answers(products.LIST_PRODUCTS, shelves.list),
            answers(products.SEARCH_PRODUCTS, shelves.search),
            answers(products.GET_COLLECTIONS, CollectionDesk(collections).known),
        ),
        consumes=(
            Consumes(_PRODUCT_EVENTS, units, apply_products),
            Consumes(
                (*_PRODUCT_EVENTS, *_COLLECTION_EVENTS),
                collections,
                doubt,
                name="products-in-doubt",
            ),
            Consumes((core.SETTINGS_UPDATED, installs.SHOP_CONNECTED), collections, heed),
        ),
        loops=(Loop("collections", WORK_SECONDS, collecting.run),),
        on_stop=(shopify.close,),
    )
