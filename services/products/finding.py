"""Looking into the catalogue: one product, all by title, or those a misspelt query means."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from contracts.caller import Caller
from contracts.paging import BAD_CURSOR, limit_problems
from contracts.products import GetProduct, ListProducts, ProductCard, Products, SearchProducts
from contracts.shop import Product
from domain.errors import InvalidRequest, NotFound, Problem
from domain.search import words_of
from ports.catalogue import Catalogue, Place, ProductKey, Rank
from ports.unit import Units

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
        problems = limit_problems(request.limit)
        after = None
        if request.cursor is not None:
            after = _place(request.cursor)
            if after is None:
                problems.append(BAD_CURSOR)
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
        problems = limit_problems(request.limit)
        if not 0 < len(request.query.strip()) <= _MOST_QUERY:
            problems.append(Problem("/query", f"1 to {_MOST_QUERY} characters are needed."))
        after = None
        if request.cursor is not None:
            after = _rank(request.cursor)
            if after is None:
                problems.append(BAD_CURSOR)
        if problems:
            raise InvalidRequest(problems=problems)
        words = words_of(request.query)[:_MOST_WORDS]
        if not words:
            return Products(products=())
        async with self._units() as unit:
            found = await unit.stores.search(caller.tenant, words, after, request.limit + 1)
        page = found[: request.limit]
        return Products(
            products=tuple(_card(product) for _, product in page),
            next_cursor=_cursor(page[-1][0]) if len(found) > len(page) else None,
        )


def _card(product: Product) -> ProductCard:
    return ProductCard(**msgspec.structs.asdict(product))


def _cursor(place: Place | Rank) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(cursor: str) -> Place | None:
    try:
        place = msgspec.json.decode(urlsafe_b64decode(cursor.encode()), type=Place)
    except (ValueError, msgspec.MsgspecError):
        return None
    return None if _is_no_text(place.title, place.product_id) else place


def _rank(cursor: str) -> Rank | None:
    try:
        rank = msgspec.json.decode(urlsafe_b64decode(cursor.encode()), type=Rank)
    except (ValueError, msgspec.MsgspecError):
        return None
    if _is_no_text(rank.title, rank.product_id) or not 0 <= rank.length < 2**31:
        return None
    return rank


def _is_no_text(*parts: str) -> bool:
    """What the storage takes for no text; nothing that it was given a cursor of."""
    return any("\0" in part for part in parts)
