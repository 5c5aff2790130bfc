"""What tests of use cases are given: a clock that stands still, ids that count up."""

from datetime import UTC, datetime, timedelta
from uuid import UUID


class StandingClock:
    def __init__(self) -> None:
        self.at = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def advance(self, **duration: int) -> None:
        self.at += timedelta(**duration)


class CountingIds:
    def __init__(self) -> None:
        self._last = 0

    def new(self) -> UUID:
        self._last += 1
        return UUID(int=self._last)

    def text(self) -> str:
        return str(self.new())
