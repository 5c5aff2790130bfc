"""Looking into the catalogue: one product, all by title, or those a misspelt query means."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from contracts.caller import Caller
from contracts.products import GetProduct, ListProducts, ProductCard, Products, SearchProducts
from contracts.shop import Product
from domain.errors import InvalidRequest, NotFound, Problem
from domain.search import words_of
from ports.catalogue import Catalogue, Place, ProductKey
from ports.unit import Units

_MOST_LISTED: Final = 250
_MOST_FOUND: Final = 100
_MOST_QUERY: Final = 200
_MOST_WORDS: Final = 8


class Shelves:
    def __init__(self, units: Units[Catalogue]) -> None:
        self._units = units

    async def product(self, caller: Caller, request: GetProduct) -> ProductCard:
        async with self._units() as unit:
            found = await unit.stores.product(ProductKey(caller.tenant, request.product_id))
        if found is None:
            raise NotFound("This shop has no such product.")
        return _card(found)

    async def list(self, caller: Caller, request: ListProducts) -> Products:
        problems = []
        if not 1 <= request.limit <= _MOST_LISTED:
            problems.append(Problem("/limit", f"1 to {_MOST_LISTED} products."))
        after = None
        if request.cursor is not None:
            after = _place(request.cursor)
            if after is None:
                problems.append(Problem("/cursor", "This is no cursor of ours."))
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.page(caller.tenant, after, request.limit + 1)
        page = found[: request.limit]
        return Products(
            products=tuple(_card(product) for _, product in page),
            next_cursor=_cursor(page[-1][0]) if len(found) > len(page) else None,
        )

    async def search(self, caller: Caller, request: SearchProducts) -> Products:
        """Products that match, best first; nothing for a query without a letter or digit."""
        problems = []
        if not 0 < len(request.query.strip()) <= _MOST_QUERY:
            problems.append(Problem("/query", f"1 to {_MOST_QUERY} characters are needed."))
        if not 1 <= request.limit <= _MOST_FOUND:
            problems.append(Problem("/limit", f"1 to {_MOST_FOUND} products."))
        if problems:
            raise InvalidRequest(problems=problems)
        words = words_of(request.query)[:_MOST_WORDS]
        if not words:
            return Products(products=())
        async with self._units() as unit:
            found = await unit.stores.search(caller.tenant, words, request.limit)
        return Products(products=tuple(map(_card, found)))


def _card(product: Product) -> ProductCard:
    return ProductCard(**msgspec.structs.asdict(product))


def _cursor(place: Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(cursor: str) -> Place | None:
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor.encode()), type=Place)
    except (ValueError, msgspec.MsgspecError):
        return None
