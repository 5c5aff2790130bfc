"""A store of points as a whole, for moving a shop from one to another.

Whoever moves is no part of the service, and works beside it: what the service may do for a shop is
decided by the shop's ``Standing`` in its store. Where that is not HERE, no transaction of the
service reads or writes anything of the shop: calls answer ``ShopMoving``, events are put back.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from domain.errors import Unavailable
from domain.points.moving import Row, Standing, Table
from ports.events import Said

SOON_FORGOTTEN: Final = timedelta(hours=1)
"""How long before an answer to an idempotency key is forgotten it is not worth moving any more."""


class ShopMoving(Unavailable):
    """These shops are being moved to another store, or live in another one by now. What was to be
    done for them waits; nothing else has to."""

    title = "This shop is being moved at the moment; please try again later."

    def __init__(self, shops: Iterable[UUID]) -> None:
        super().__init__()
        self.shops = frozenset(shops)


class PointsStore(Protocol):
    """Each method is a transaction of its own, or several, and raises Unavailable when the storage
    is away; each may be repeated."""

    @property
    def name(self) -> str:
        """As in the setting that chooses it."""
        ...

    async def shops(self) -> Sequence[UUID]:
        """Those of which anything is here, by id."""
        ...

    async def holds(self, shop: UUID) -> bool:
        """Whether anything of the shop is here."""
        ...

    async def standing(self, shop: UUID) -> Standing: ...

    async def stand(self, shop: UUID, standing: Standing) -> None:
        """From here on the service keeps to it: what had begun for this shop has ended, or will
        fail. With HERE the service goes on with everything of the shop, sealing included.

        Raises Unavailable when somebody does not come to an end.
        """
        ...

    async def arrive(self, shop: UUID) -> bool:
        """Let the shop be ARRIVING, unless it is HERE and anything of it is, too: then False."""
        ...

    def rows(self, shop: UUID, table: Table, now: datetime) -> AsyncGenerator[Row, None]:
        """All there are, by key, a few at a time. Answers to idempotency keys that are
        ``SOON_FORGOTTEN`` are left out."""
        ...

    async def clear(self, shop: UUID, table: Table) -> None:
        """Remove all rows of a table that does not only grow."""
        ...

    async def add(self, shop: UUID, table: Table, rows: Sequence[Row]) -> None:
        """What is there by the same name stays as it is."""
        ...

    async def unsent(self, shop: UUID) -> Sequence[Said]:
        """What the shop has said and nobody has published yet."""
        ...

    async def take_over(self, shop: UUID, said: Sequence[Said]) -> None:
        """Publish this some time, besides what is known already."""
        ...

    async def drop(self, shop: UUID, said: Sequence[Said]) -> None:
        """Not publish this: somebody else does. Of others, who spoke together with the shop,
        everything stays."""
        ...

    async def forget(self, shop: UUID) -> None:
        """Remove all that is here, entries too. The standing stays."""
        ...
