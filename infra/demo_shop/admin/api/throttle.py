"""How much an app may ask of one shop: a bucket of points that fills again with time."""

from datetime import datetime
from typing import Final, NamedTuple

MOST_AT_ONCE: Final = 1_000
"""A single document may not cost more, on any plan."""


class Plan(NamedTuple):
    """What a shop's plan allows: points a second, and how many can be saved up."""

    restore_rate: int
    maximum: int


STANDARD: Final = Plan(100, 2_000)
PLUS: Final = Plan(1_000, 20_000)
ENTERPRISE: Final = Plan(2_000, 40_000)


class Bucket:
    """Full at first. ``plan`` can be changed at any time."""

    def __init__(self, plan: Plan = STANDARD) -> None:
        self.plan = plan
        self._left = float(plan.maximum)
        self._since: datetime | None = None

    def left(self, now: datetime) -> int:
        if self._since is not None:
            seconds = max((now - self._since).total_seconds(), 0.0)
            self._left += seconds * self.plan.restore_rate
        self._since = now
        self._left = min(self._left, float(self.plan.maximum))
        return int(self._left)

    def take(self, cost: int, now: datetime) -> bool:
        """False, and nothing is taken, when there is not enough left."""
        if self.left(now) < cost:
            return False
        self._left -= cost
        return True

    def give_back(self, points: int) -> None:
        """The difference between what a document could have cost and what it did."""
        self._left = min(self._left + points, float(self.plan.maximum))

    def empty(self, now: datetime) -> None:
        self.left(now)
        self._left = 0.0

    def status(self, now: datetime) -> dict[str, int]:
        return {
            "maximumAvailable": self.plan.maximum,
            "currentlyAvailable": self.left(now),
            "restoreRate": self.plan.restore_rate,
        }
