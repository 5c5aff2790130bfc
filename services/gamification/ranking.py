"""Leaderboards: points earned by day, week, month and in all, in the shop's own time.

The truth is this service's database, fed by ``points.earned`` with each event counted once. Sorted
sets in Valkey are a copy for fast reading, written after the commit. When the copy is empty, lost
or behind, it is rebuilt from what the events have left in the database; while it is away, the
database answers itself.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from contracts.auth import MerchantCreated
from contracts.caller import Audience, Caller
from contracts.core import SettingsUpdated
from contracts.gamification import SOMEBODY, GetLeaderboard, Leaderboard, Rank
from contracts.points import PointsMoved
from domain.errors import InvalidRequest, Problem, Unavailable
from domain.leaderboard import Period, period_key, period_keys
from ports.badges import Earned, MemberKey, ShopZone, Standings
from ports.events import Received
from ports.leaderboard import Board, Leaderboards, Score
from ports.unit import Unit, Units

log = logging.getLogger(__name__)

_UTC: Final = "UTC"
_MOST: Final = 100


class Rankings:
    """Counts points, and shows what it counted once that is committed."""

    def __init__(self, units: Units[Standings], boards: Leaderboards) -> None:
        self._units = units
        self._boards = boards
        # What an earlier life of this process committed last may never have reached the copy.
        self._behind = True

    def counting(self) -> AbstractAsyncContextManager[Unit[Standings]]:
        """A transaction whose changed scores are shown after its commit."""
        return self._count_and_show()

    @asynccontextmanager
    async def _count_and_show(self) -> AsyncIterator[Unit[Standings]]:
        async with self._units() as unit:
            yield unit
        if not unit.stores.changed:
            return
        try:
            await self._catch_up()
            await self._boards.show(unit.stores.changed)
        except Unavailable:
            if not self._behind:
                log.warning("the leaderboards' copy is away; counting goes on without it")
            self._behind = True

    async def _catch_up(self) -> None:
        if self._behind:
            await self._boards.distrust()
            self._behind = False

    async def leaderboard(self, caller: Caller, request: GetLeaderboard) -> Leaderboard:
        """The current period's best, by the shop's calendar."""
        period = _period(request)
        tenant = caller.tenant
        async with self._units() as unit:
            zones = await unit.stores.zones([tenant])
            key = period_key(period, unit.now(), zone_of(zones.get(tenant, _UTC)))
        board = Board(period, key, tenant)
        ranks = _ranked(await self._top(board, request.limit))
        return Leaderboard(period=period, key=key, ranks=_shown_to(caller, ranks))

    async def _top(self, board: Board, limit: int) -> Sequence[Score]:
        try:
            await self._catch_up()
            found = await self._boards.top(board, limit)
            if found is None:
                await self._boards.rebuild(board, lambda: self._stored(board, None))
                found = await self._boards.top(board, limit)
        except Unavailable:
            found = None
        return await self._stored(board, limit) if found is None else found

    async def _stored(self, board: Board, limit: int | None) -> Sequence[Score]:
        async with self._units() as unit:
            return await unit.stores.top(board, limit)


async def apply_mesh_events(unit: Unit[Standings], events: Sequence[Received[Any]]) -> None:
    """Count points that were earned, and learn the shops' time zones.

    Points earned before a shop's time zone is known count by UTC's calendar.
    """
    zones: dict[UUID, ShopZone] = {}
    earned: list[tuple[UUID, PointsMoved]] = []
    for event in events:
        match event.body:
            case PointsMoved(points=points) as moved if points > 0:
                earned.append((event.merchant_id, moved))
            case MerchantCreated(time_zone=zone):
                zones.setdefault(event.merchant_id, ShopZone(zone, 0))
            case SettingsUpdated(settings=settings):
                known = zones.get(event.merchant_id)
                if known is None or known.version < settings.version:
                    zones[event.merchant_id] = ShopZone(settings.time_zone, settings.version)
    await unit.stores.learn_zones(zones)
    if earned:
        names = await unit.stores.zones({merchant for merchant, _ in earned})
        await unit.stores.add(_by_member(earned, names))


def _by_member(
    earned: Sequence[tuple[UUID, PointsMoved]], zones: Mapping[UUID, str]
) -> Iterable[Earned]:
    for merchant, moved in earned:
        quarter = moved.occurred_at.replace(
            minute=moved.occurred_at.minute // 15 * 15, second=0, microsecond=0
        )
        keys = _keys(zones.get(merchant, _UTC), quarter)
        yield Earned(MemberKey(merchant, moved.customer_id), keys, moved.points)


@lru_cache(4096)
def _keys(zone: str, quarter: datetime) -> Mapping[Period, str]:
    """The periods an instant belongs to, found once per quarter of an hour: no time zone's
    midnight falls inside one."""
    return period_keys(quarter, zone_of(zone))


def zone_of(name: str) -> tzinfo:
    """The time zone by its IANA name; UTC for one that this system does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _period(request: GetLeaderboard) -> Period:
    problems = []
    if request.period not in set(Period):
        problems.append(Problem("/period", f"One of {', '.join(Period)}."))
    if not 1 <= request.limit <= _MOST:
        problems.append(Problem("/limit", f"1 to {_MOST} members."))
    if problems:
        raise InvalidRequest(problems=problems)
    return Period(request.period)


def _ranked(scores: Sequence[Score]) -> tuple[Rank, ...]:
    """Members with equal points share the rank of the first of them."""
    ranks: list[Rank] = []
    for place, score in enumerate(scores, 1):
        same = ranks and ranks[-1].points == score.points
        rank = ranks[-1].rank if same else place
        ranks.append(Rank(rank=rank, customer_id=score.customer_id, points=score.points))
    return tuple(ranks)


def _shown_to(caller: Caller, ranks: tuple[Rank, ...]) -> tuple[Rank, ...]:
    """Members see where they stand and how far the others are, and not who those are: an id is
    made from the customer's id at Shopify, which can be tried."""
    if caller.audience is not Audience.CUSTOMER:
        return ranks
    return tuple(
        rank
        if rank.customer_id == caller.customer_id
        else msgspec.structs.replace(rank, customer_id=SOMEBODY)
        for rank in ranks
    )
