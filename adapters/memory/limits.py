"""``ports.limits.Limits`` in this process: what a single gateway can know by itself."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from domain.limits import Drawn, Rate, draw, draw_one
from ports.limits import Bucket

MOST_BUCKETS: Final = 50_000
"""Some 10 MB. Beyond it, buckets that are full go, and then those that were made first."""


class MemoryLimits:
    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._full_at: dict[str, int] = {}

    async def draw(self, buckets: Sequence[Bucket]) -> Drawn:
        now = self._monotonic_ns() // 1000
        known = [self._full_at.get(each.key, 0) for each in buckets]
        drawn, full_at = draw([each.rate for each in buckets], known, now)
        if drawn.admitted:
            for bucket, at in zip(buckets, full_at, strict=True):
                self._full_at[bucket.key] = at
            self._forget(now)
        return drawn

    def admits(self, key: str, rate: Rate) -> bool:
        """``draw`` out of one bucket, for whoever cannot wait and wants no more than a yes."""
        now = self._monotonic_ns() // 1000
        full_at = draw_one(rate, self._full_at.get(key, 0), now)
        if full_at is None:
            return False
        self._full_at[key] = full_at
        self._forget(now)
        return True

    def _forget(self, now: int) -> None:
        if len(self._full_at) <= MOST_BUCKETS:
            return
        kept = {key: at for key, at in self._full_at.items() if at > now}
        for key in list(kept)[: max(0, len(kept) - MOST_BUCKETS * 9 // 10)]:
            del kept[key]
        self._full_at = kept
