"""Keeping the catalogue: what a shop says of its products, whatever order it comes in."""

from collections.abc import Sequence
from typing import Any

from contracts.shop import Product, ProductGone
from ports.catalogue import Catalogue, ProductKey
from ports.events import Received
from ports.unit import Unit


async def apply_products(unit: Unit[Catalogue], events: Sequence[Received[Any]]) -> None:
    """The newest of a product's versions (``updated_at``) stands; a removed one stays away."""
    newest: dict[ProductKey, Product] = {}
    gone: set[ProductKey] = set()
    for event in events:
        match event.body:
            case Product() as product:
                key = ProductKey(event.merchant_id, product.product_id)
                known = newest.get(key)
                if known is None or known.updated_at < product.updated_at:
                    newest[key] = product
            case ProductGone(product_id=product_id):
                gone.add(ProductKey(event.merchant_id, product_id))
    await unit.stores.put({key: newest[key] for key in newest.keys() - gone})
    await unit.stores.remove(gone, unit.now())
