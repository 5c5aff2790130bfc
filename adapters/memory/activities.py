"""``ports.activities.EarningCounts`` in memory, as a part of ``adapters.memory.ledger``."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from domain.points.earning_limits import EVER, Counted
from ports.activities import CountKey, Days


class MemoryCounts:
    """What each has earned, by who they were when they earned it."""

    def __init__(self) -> None:
        self._by_day: dict[CountKey, dict[date, Counted]] = defaultdict(dict)

    def of(self, keys: list[CountKey], days: Days) -> dict[date, Counted]:
        """Of all these together."""
        found: dict[date, Counted] = defaultdict(Counted)
        for key in keys:
            for day, each in self._by_day[key].items():
                if day == EVER or days.first <= day <= days.last:
                    found[day] += each
        return dict(found)

    def add(self, counted: Mapping[tuple[CountKey, date], Counted]) -> None:
        for (key, day), each in counted.items():
            mine = self._by_day[key]
            for when in (day, EVER):
                mine[when] = mine.get(when, Counted()) + each
