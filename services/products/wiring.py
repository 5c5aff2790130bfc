"""How the products service is put together."""

from adapters.nats.consumer import Consumes
from adapters.postgres.catalogue import PostgresCatalogue
from adapters.runtime.service import Service, answers
from adapters.runtime.world import World
from contracts import products, shop
from ports.catalogue import Catalogue
from ports.unit import Units
from services.products.finding import Shelves
from services.products.keeping import apply_products


def service(world: World) -> Service:
    units: Units[Catalogue] = world.units("products", PostgresCatalogue)
    shelves = Shelves(units)
    return Service(
        name="products",
        endpoints=(
            answers(products.GET_PRODUCT, shelves.product),
            answers(products.LIST_PRODUCTS, shelves.list),
            answers(products.SEARCH_PRODUCTS, shelves.search),
        ),
        consumes=(
            Consumes(
                (shop.PRODUCT_CREATED, shop.PRODUCT_UPDATED, shop.PRODUCT_DELETED),
                units,
                apply_products,
            ),
        ),
    )
