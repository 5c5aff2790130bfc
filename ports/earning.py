"""What points knows of members and goods, because bonuses ask for it: kept from events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from domain.points.bonus import Buyer


class GoodsKey(NamedTuple):
    merchant_id: UUID
    product_id: str


class BuyerKey(NamedTuple):
    merchant_id: UUID
    customer_id: UUID


@dataclass(frozen=True, slots=True)
class GoodsFacts:
    """What the catalogue says of a product. One that is gone has no tags."""

    tags: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """The collections that a product is in, of those that the program names; a higher version is
    newer."""

    collections: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class KnownGoods:
    """What is known of a product. Tags and collections come from two sources, each with its own
    clock; what was not told yet is empty."""

    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()


NOTHING_KNOWN: Final = KnownGoods()


@dataclass(frozen=True, slots=True)
class BuyerFacts:
    """A member's tier and segment; a higher version is newer."""

    buyer: Buyer
    version: int


class EarningFacts(Protocol):
    """Works inside one transaction."""

    async def learn_buyers(self, told: Mapping[BuyerKey, BuyerFacts]) -> None:
        """Believe what is newer than what is known."""
        ...

    async def buyers(self, keys: Iterable[BuyerKey]) -> Mapping[BuyerKey, Buyer]:
        """Those of these members of whom anything is known."""
        ...

    async def learn_goods(self, told: Mapping[GoodsKey, GoodsFacts]) -> None:
        """Believe what is newer than what is known."""
        ...

    async def learn_collections(self, told: Mapping[GoodsKey, CollectionFacts]) -> None:
        """Believe what is newer than what is known."""
        ...

    async def goods(self, keys: Iterable[GoodsKey]) -> Mapping[GoodsKey, KnownGoods]:
        """Those of these products of which anything is known."""
        ...
