"""A shop's products as the use cases need them: kept from its webhooks, listed and searched."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from contracts.shop import Product


class ProductKey(NamedTuple):
    merchant_id: UUID
    product_id: str


class Place(NamedTuple):
    """Where a page of the catalogue ended: title as it is sorted, and product id."""

    title: str
    product_id: str


class Rank(NamedTuple):
    """Where a page of what was found ended. Less is better, the first that differs decides: titles
    that are what was asked for, that begin so, that have a word beginning so; then how unlike a
    product is, and what tells those apart that are alike. ``best`` is the best likeness of all."""

    other: bool
    begins_otherwise: bool
    without: bool
    unlike: float
    length: int
    title: str
    product_id: str
    best: float


class Catalogue(Protocol):
    """Works inside one transaction."""

    async def put(self, products: Mapping[ProductKey, Product]) -> None:
        """Store products newer (``updated_at``) than what is known; never a removed one."""
        ...

    async def remove(self, keys: Iterable[ProductKey], at: datetime) -> None:
        """Remove products for good, known or not yet known: Shopify never gives an id again."""
        ...

    async def product(self, key: ProductKey) -> Product | None: ...

    async def page(
        self, merchant_id: UUID, after: Place | None, limit: int
    ) -> Sequence[tuple[Place, Product]]:
        """By title, whatever its case, beginning after a place."""
        ...

    async def search(
        self, merchant_id: UUID, words: Sequence[str], after: Rank | None, limit: int
    ) -> Sequence[tuple[Rank, Product]]:
        """Products in whose title, vendor, type or tags each of the (folded) words is found,
        possibly misspelt; best first: exact titles, titles that begin so, then by likeness."""
        ...
