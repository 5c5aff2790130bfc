"""What members have earned by rules that bound how much: counted per day, so that asking costs the
same however long somebody has been a member."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.points.earning_limits import Counted
from ports.earning import BuyerKey


class CountKey(NamedTuple):
    """What a member earns by one rule: ``purchase``, ``birthday`` or ``activity:<id>``."""

    merchant_id: UUID
    customer_id: UUID
    rule: str


class Days(NamedTuple):
    """From the first to the last of them, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Earned:
    """``key`` names the member who stands for the one asked about; ``by_day`` is what they and all
    who were merged into them have earned on each of the days asked for, and under ``EVER`` ever."""

    key: CountKey
    by_day: Mapping[date, Counted]


@dataclass(frozen=True, slots=True)
class ActivityTold:
    """An activity that has counted; ``is_theirs``: for the member asked about, or somebody who is
    the same person since a merge."""

    entry_id: UUID
    points: int
    at: datetime
    is_theirs: bool


class EarningCounts(Protocol):
    """Works inside one transaction. Whoever decides by what was counted holds the wallet."""

    async def members(self, keys: Iterable[BuyerKey]) -> Set[BuyerKey]:
        """Those of these who are members: points has heard of them, or they have a point."""
        ...

    async def activity(self, member: BuyerKey, rule: str, reference: str) -> ActivityTold | None:
        """What the shop has counted for an activity with this reference, for whomever."""
        ...

    async def earned(self, asked: Mapping[CountKey, Days]) -> Mapping[CountKey, Earned]:
        """What these members have earned; one without a wallet is left out."""
        ...

    async def count(self, counted: Mapping[tuple[CountKey, date], Counted]) -> None:
        """Add to what was earned on these days, and ever, by members whose wallets are held."""
        ...
