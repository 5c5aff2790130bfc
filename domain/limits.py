"""How often something may be asked for: a bucket of requests that fills evenly.

The generic cell rate algorithm (ITU-T I.371): all that is remembered of a bucket is the moment at
which it is full again. A request that is admitted moves that moment by one interval; one that would
move it further ahead than a whole bucket takes to fill is refused and moves nothing. So refusals
cost nothing, nothing has to be topped up in the background, and a bucket that nobody draws from is
forgotten by itself.

Times are whole microseconds of any clock that all who share a bucket agree on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``requests`` at once, and as many again, evenly, in every ``seconds``. In any stretch of
    ``seconds`` twice as many come through at most: a full bucket, and what flows in meanwhile."""

    requests: int
    seconds: int
    interval: int = field(init=False, repr=False, compare=False)
    """Microseconds in which one request flows in."""
    capacity: int = field(init=False, repr=False, compare=False)
    """Microseconds in which an empty bucket fills."""

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds < 1:
            raise ValueError("a rate lets something through")
        # Reckoned once: every request asks for them.
        object.__setattr__(self, "interval", max(1, self.seconds * SECOND // self.requests))
        object.__setattr__(self, "capacity", self.interval * self.requests)

    def times(self, percent: int) -> "Rate":
        """This rate in percent, of one request at least."""
        return Rate(max(1, self.requests * percent // 100), self.seconds)


@dataclass(frozen=True, slots=True)
class Level:
    """What is left in a bucket. ``full_in`` and ``wait``, until the next request is admitted, are
    in microseconds."""

    rate: Rate
    remaining: int
    full_in: int
    wait: int = 0

    @property
    def filled(self) -> float:
        """Of the whole bucket: 0 to 1."""
        return self.remaining / self.rate.requests


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of a request that draws on several buckets at once, and their levels after it."""

    admitted: bool
    levels: tuple[Level, ...]

    @property
    def tightest(self) -> Level:
        """The bucket that refuses longest, or else the one that is nearest to its end."""
        return max(self.levels, key=lambda level: (level.wait, -level.filled))


def draw(rates: Sequence[Rate], full_at: Sequence[int], now: int) -> tuple[Drawn, tuple[int, ...]]:
    """One request out of every bucket, or out of none if any is empty; and when each is full now.

    ``full_at`` is what was remembered; 0 for a bucket that nobody has drawn from lately.
    """
    before = [max(now, each) for each in full_at]
    after = [each + rate.interval for each, rate in zip(before, rates, strict=True)]
    waits = [each - now - rate.capacity for each, rate in zip(after, rates, strict=True)]
    admitted = max(waits) <= 0
    kept = tuple(after if admitted else before)
    levels = tuple(
        [
            level(rate, each - now, max(0, wait))
            for rate, each, wait in zip(rates, kept, waits, strict=True)
        ]
    )
    return Drawn(admitted, levels), kept


def draw_one(rate: Rate, full_at: int, now: int) -> int | None:
    """``draw`` out of a single bucket whose level nobody asks for: when it is full now, None if it
    is empty."""
    after = max(now, full_at) + rate.interval
    return after if after - now <= rate.capacity else None


def level(rate: Rate, full_in: int, wait: int = 0) -> Level:
    """What is in a bucket that is full after so many microseconds."""
    return Level(rate, max(0, (rate.capacity - full_in) // rate.interval), full_in, wait)
