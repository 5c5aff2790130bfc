"""Which products are in the collections that a shop's program names: what is known of that, how old
it is, and where it is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from ports.catalogue import ProductKey


@dataclass(frozen=True, slots=True)
class CollectionsNamed:
    """The collections that a version of a shop's program names, sorted; most name none."""

    collections: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class CollectionSync:
    """How it stands with the ``collections`` that a shop's program names. ``whole_at`` is when they
    are asked for from end to end the next time, ``synced_at`` when that was done last, None for
    never. ``tries`` failed since anything was learnt; ``problem`` says in words what is wrong.
    ``claim`` changes with whoever works on it, so that one who was too slow keeps nothing."""

    merchant_id: UUID
    collections: tuple[str, ...]
    whole_at: datetime
    claim: int = 0
    tries: int = 0
    problem: str = ""
    synced_at: datetime | None = None


class CollectionKey(NamedTuple):
    merchant_id: UUID
    collection_id: str


class InDoubt(NamedTuple):
    """What may be other than is known, and since when; the earliest first."""

    products: Mapping[str, datetime]
    collections: Mapping[str, datetime]


class Membership(NamedTuple):
    """The collections of a product, sorted, of those that are named; a higher version is newer."""

    product_id: str
    collections: tuple[str, ...]
    version: int


class CollectionBook(Protocol):
    """Works inside one transaction."""

    async def name(self, programs: Mapping[UUID, CollectionsNamed], now: datetime) -> None:
        """Believe newer programs. Where one names other collections than before, they are to be
        asked for at once; also where it names none any more, so that no product is in any."""
        ...

    async def restart(self, merchants: Iterable[UUID], now: datetime) -> None:
        """Ask for the collections of these shops at once, where the program names any."""
        ...

    async def doubt(self, products: Iterable[ProductKey], now: datetime, look_at: datetime) -> None:
        """These products may be in other collections than before; look at ``look_at``. Nothing is
        kept of shops whose program names no collection."""
        ...

    async def doubt_collections(
        self, collections: Iterable[CollectionKey], now: datetime, look_at: datetime
    ) -> None:
        """Others may be in these collections than before; look at ``look_at``. Nothing is kept of
        collections that the shop's program does not name."""
        ...

    async def sync(self, merchant_id: UUID) -> CollectionSync | None:
        """How it stands; None where the program was never told."""
        ...

    async def take_due(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[CollectionSync]:
        """Shops that are to be worked on, for whoever takes them alone ``until`` then."""
        ...

    async def hold(self, row: CollectionSync, until: datetime) -> bool:
        """Whether it is still ours, and then ``until``; nobody takes it before the transaction
        ends."""
        ...

    async def doubted(self, merchant_id: UUID, by: datetime) -> InDoubt:
        """What came into doubt ``by`` then."""
        ...

    async def settle(self, merchant_id: UUID, doubted: InDoubt) -> None:
        """These are not in doubt any more, but for what came into doubt since."""
        ...

    async def inside(self, merchant_id: UUID) -> Mapping[str, tuple[str, ...]]:
        """Every product that is in any collection, and in which."""
        ...

    async def sizes(self, merchant_id: UUID) -> Mapping[str, int]:
        """How many products are in each collection that has any."""
        ...

    async def learn(
        self, merchant_id: UUID, told: Mapping[str, tuple[str, ...]]
    ) -> Sequence[Membership]:
        """What these products are in; answers those of which that is news."""
        ...

    async def keep(self, row: CollectionSync, look_at: datetime) -> None:
        """How it stands, for the one who holds it. It goes on at ``whole_at``, or at ``look_at``
        where anything is in doubt; never where no collection is named."""
        ...


class NotAllowed(Exception):
    """The shop has not granted LoyalNest to read its collections."""


class IdPage(NamedTuple):
    """Of products; ``after`` is what the next page begins behind, "" on the last one."""

    ids: Sequence[str]
    after: str


class ShopCollections(Protocol):
    """Asks a shop's Shopify; never from inside a transaction.

    All raise ``domain.errors.Unavailable`` when it cannot be asked now, AccessLost when the shop
    has taken our access away, NotAllowed when it has not granted what this needs.
    """

    async def products_in(self, merchant_id: UUID, collection_id: str, after: str) -> IdPage | None:
        """A page of the products in a collection, behind ``after`` ("" for the first); None for a
        collection that is not there."""
        ...

    async def collections_of(self, merchant_id: UUID, product_id: str) -> Sequence[str]:
        """All that a product is in; none for a product that is not there."""
        ...
