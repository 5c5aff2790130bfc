"""``ports.limits.Limits`` in this process: what a single gateway can know by itself."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from domain.limits import Drawn, draw
from ports.limits import Bucket

MOST_BUCKETS: Final = 50_000
"""Some 10 MB. Beyond it, buckets that are full go, and then those that were made first."""


class MemoryLimits:
    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._full_at: dict[str, int] = {}

    async def draw(self, buckets: Sequence[Bucket]) -> Drawn:
        return self.draw_now(buckets)

    def draw_now(self, buckets: Sequence[Bucket]) -> Drawn:
        """The same without waiting, for whoever cannot."""
        now = self._monotonic_ns() // 1000
        known = [self._full_at.get(each.key, 0) for each in buckets]
        drawn, full_at = draw([each.rate for each in buckets], known, now)
        if drawn.admitted:
            for bucket, at in zip(buckets, full_at, strict=True):
                self._full_at[bucket.key] = at
            if len(self._full_at) > MOST_BUCKETS:
                self._forget(now)
        return drawn

    def _forget(self, now: int) -> None:
        kept = {key: at for key, at in self._full_at.items() if at > now}
        for key in list(kept)[: max(0, len(kept) - MOST_BUCKETS * 9 // 10)]:
            del kept[key]
        self._full_at = kept
