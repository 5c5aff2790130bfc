"""What gamification holds for good: badges, points by period, and each shop's time zone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from domain.leaderboard import Period
from ports.leaderboard import Board, Points, Score


class MemberKey(NamedTuple):
    merchant_id: UUID
    customer_id: UUID


class HeldBadge(msgspec.Struct, frozen=True):
    badge: str
    awarded_at: datetime


class Award(msgspec.Struct, frozen=True):
    """A badge given to a member; ``reason`` is a slug or the name of who gave it."""

    member: MemberKey
    badge: str
    reason: str
    at: datetime


class Earned(msgspec.Struct, frozen=True):
    """Points that a member has earned in one stretch of the shop's calendar; ``keys`` has the key
    of every period it belongs to."""

    member: MemberKey
    keys: Mapping[Period, str]
    points: int


class ShopZone(msgspec.Struct, frozen=True):
    """A shop's time zone (IANA), by the version of the program that says so; 0 for what the shop
    had when it was installed."""

    zone: str
    version: int


class Standings(Protocol):
    """Works inside one transaction."""

    @property
    def changed(self) -> Mapping[Board, Points]:
        """What it has changed, as it is now."""
        ...

    async def held(self, members: Iterable[MemberKey]) -> Mapping[MemberKey, frozenset[str]]:
        """The badges of these members; nobody without any is in it."""
        ...

    async def badges(self, member: MemberKey) -> Sequence[HeldBadge]:
        """A member's badges, oldest first."""
        ...

    async def award(self, awards: Sequence[Award]) -> Sequence[Award]:
        """Give badges; those whose member holds them already are left out of the answer."""
        ...

    async def add(self, earned: Iterable[Earned]) -> None:
        """Count points. What was earned in a period before a member's newest one still counts for
        the longer periods it shares with that, and for all time."""
        ...

    async def top(self, board: Board, limit: int | None) -> Sequence[Score]:
        """A board's scores, highest first, equal ones by customer id downwards; all without a
        limit. Of a day, week or month only those members that have earned nothing since."""
        ...

    async def zones(self, merchants: Iterable[UUID]) -> Mapping[UUID, str]:
        """The time zones known of these shops."""
        ...

    async def learn_zones(self, zones: Mapping[UUID, ShopZone]) -> None:
        """Store time zones, unless a newer version is known."""
        ...
