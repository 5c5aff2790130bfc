"""Which goods are in the collections that only a draft names, asked of Shopify there and then.

Nothing of it is kept: what is kept, products tells, of collections that a saved program names
(docs/decisions/0036-collections.md).
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from contracts.installs import MissingScopes, ShopifyUnavailable
from contracts.simulations import CollectionsTooLarge
from domain.errors import InvalidRequest, Problem, Unavailable
from ports.collections import NotAllowed, ShopCollections

_SECONDS: Final = 15.0
"""Half of what a simulation may take: the orders are looked at after it."""
_AWAY: Final = (
    "Shopify does not say now which goods are in the collections that only the draft names; "
    "please try again."
)
_DENIED: Final = "The shop has not granted LoyalNest to read its collections at Shopify."


class NewlyNamed:
    def __init__(self, shopify: ShopCollections, seconds: float = _SECONDS) -> None:
        self._shopify = shopify
        self._seconds = seconds

    async def goods_in(
        self, merchant_id: UUID, collections: Collection[str]
    ) -> Mapping[str, tuple[str, ...]]:
        """By product, which of these collections it is in, sorted. Never from inside a transaction.

        Raises InvalidRequest for collections that the shop does not have, CollectionsTooLarge when
        there is too much to ask while somebody waits, ShopifyUnavailable, and AccessLost and
        MissingScopes where nothing but the shop's staff changes that.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        missing: list[str] = []
        try:
            async with asyncio.timeout(self._seconds):
                for collection in sorted(collections):
                    products = await self._products_in(merchant_id, collection)
                    if products is None:
                        missing.append(collection)
                    for product in products or ():
                        found[product].append(collection)
        except TimeoutError:
            raise CollectionsTooLarge from None
        except NotAllowed:
            raise MissingScopes(_DENIED) from None
        except Unavailable:
            raise ShopifyUnavailable(_AWAY) from None
        if missing:
            detail = f"Shopify has no such collection: {', '.join(missing)}."
            raise InvalidRequest(problems=[Problem("/settings", detail)])
        return {product: tuple(inside) for product, inside in found.items()}

    async def _products_in(self, merchant_id: UUID, collection: str) -> set[str] | None:
        """All pages of it; None for a collection that is not there."""
        products: set[str] = set()
        after = ""
        while True:
            page = await self._shopify.products_in(merchant_id, collection, after)
            if page is None:
                return None
            products |= {*page.ids}
            after = page.after
            if not after:
                return products
