"""Moving a shop's points from one store to another, with proof that both hold the same.

A shop lives in one store at any time, or in none while it is moved. It is closed here before the
first row is read, and open there only after both stores were read and agree; between these two
nobody writes, so that what is killed can begin again from the start.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from domain.errors import LoyaltyError, NotFound
from domain.points.moving import TABLES, Compared, Difference, Row, Standing, Table, compare
from ports.clock import Clock
from ports.moving import PointsStore


class NotMovable(LoyaltyError):
    """Where the shop is, or is not, makes no sense for this."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What both stores hold, table by table, and what became of it. ``events`` are those that
    nobody had published yet, and that went along."""

    shop: UUID
    tables: Sequence[Compared]
    lives_there: bool
    events: int = 0

    @property
    def first(self) -> Difference | None:
        """The first row that differs."""
        return next((each.first for each in self.tables if each.first is not None), None)


class Mover:
    def __init__(
        self,
        source: PointsStore,
        target: PointsStore,
        clock: Clock,
        told: Callable[[UUID, Table], None] = lambda _shop, _table: None,
    ) -> None:
        """``told`` hears of each table that is about to be copied."""
        self._source = source
        self._target = target
        self._clock = clock
        self._told = told

    async def move(self, shop: UUID) -> Moved:
        """Let the shop live in the target, if both hold the same in the end; otherwise it stays
        closed in both. Where it lives there already nothing is done.

        Raises NotFound for a shop of which the source knows nothing, NotMovable for one that the
        target holds something of its own of.
        """
        source, target = self._source, self._target
        here, there = await source.standing(shop), await target.standing(shop)
        if (here, there) == (Standing.LEFT, Standing.HERE):
            return Moved(shop, (), lives_there=True)
        if here is Standing.ARRIVING:
            raise NotMovable(
                f"The shop {shop} is being moved to {source.name}; that has to end first."
            )
        if here is not Standing.LEFT:
            await self._copy(shop)
        elif there is not Standing.ARRIVING:
            raise NotMovable(f"Both stores say that the shop {shop} has left.")
        tables = await self._compared(shop)
        if any(each.first for each in tables):
            return Moved(shop, tables, lives_there=False)
        said = await source.unsent(shop)
        await target.take_over(shop, said)
        # In this order: killed between the two, it lives in neither, and the next one ends it.
        await source.stand(shop, Standing.LEFT)
        await source.drop(shop, said)
        await target.stand(shop, Standing.HERE)
        return Moved(shop, tables, lives_there=True, events=sum(len(each.events) for each in said))

    async def _copy(self, shop: UUID) -> None:
        source, target = self._source, self._target
        if not await source.holds(shop):
            raise NotFound(f"There is nothing of the shop {shop} in {source.name}.")
        if not await target.arrive(shop):
            raise NotMovable(
                f"There is something of the shop {shop} in {target.name} that nobody has moved"
                " there. Nothing was done."
            )
        await source.stand(shop, Standing.LEAVING)
        now = self._clock.now()
        for table in TABLES:
            self._told(shop, table)
            if not table.only_grows:
                await target.clear(shop, table)
            batch: list[Row] = []
            async with aclosing(source.rows(shop, table, now)) as rows:
                async for row in rows:
                    batch.append(row)
                    if len(batch) == table.at_once:
                        await target.add(shop, table, batch)
                        batch = []
            if batch:
                await target.add(shop, table, batch)

    async def _compared(self, shop: UUID) -> Sequence[Compared]:
        now = self._clock.now()
        tables = []
        for table in TABLES:
            async with (
                aclosing(self._source.rows(shop, table, now)) as source,
                aclosing(self._target.rows(shop, table, now)) as target,
            ):
                tables.append(await compare(shop, table, source, target))
        return tables

    async def check(self, shop: UUID) -> Moved:
        """Compare, and change nothing. Raises NotFound for a shop that neither store knows."""
        if not (await self._source.holds(shop) or await self._target.holds(shop)):
            raise NotFound(f"Neither store knows a shop {shop}.")
        tables = await self._compared(shop)
        standings = await self._source.standing(shop), await self._target.standing(shop)
        return Moved(shop, tables, lives_there=standings == (Standing.LEFT, Standing.HERE))

    async def abandon(self, shop: UUID) -> None:
        """Let the shop go on living where it was being moved from. Raises NotMovable unless it
        was."""
        source, target = self._source, self._target
        here, there = await source.standing(shop), await target.standing(shop)
        if here is not Standing.LEAVING and (here, there) != (Standing.LEFT, Standing.ARRIVING):
            raise NotMovable(f"The shop {shop} is not being moved from {source.name}.")
        said = await target.unsent(shop)
        await source.take_over(shop, said)
        await target.drop(shop, said)
        await source.stand(shop, Standing.HERE)

    async def forget(self, shop: UUID) -> None:
        """Remove what a move has left behind in the source. Raises NotMovable unless the shop lives
        in the target."""
        standings = await self._source.standing(shop), await self._target.standing(shop)
        if standings != (Standing.LEFT, Standing.HERE):
            raise NotMovable(f"The shop {shop} does not live in {self._target.name}.")
        await self._source.forget(shop)
