"""Circuit breakers: what does not answer is left alone for a while, and then asked once.

One for each shop, as a shop may be down by itself, and one for Shopify as a whole, which takes more
to open. They are this process's own: others find out as fast.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from adapters.shopify.admin.errors import NotAsked
from adapters.telemetry.metrics import SHOPIFY_CIRCUITS_OPEN

SHOP_FAILURES: Final = 5
ALL_FAILURES: Final = 25
"""Failures in a row, without one answer between them, that open a circuit."""
FIRST_SECONDS: Final = 2.0
MOST_SECONDS: Final = 60.0
_MOST_SHOPS: Final = 10_000


class Circuit:
    """Closed until ``failures`` in a row; then open, for twice as long each time it does not help.

    ``name`` is what the metric calls it. ``now`` is a clock that only goes forward, in seconds,
    ``part`` a number from 0 to 1 that spreads those who wait.
    """

    def __init__(
        self, name: str, failures: int, now: Callable[[], float], part: Callable[[], float]
    ) -> None:
        self._gauge = SHOPIFY_CIRCUITS_OPEN.labels(name)
        self._limit = failures
        self._now = now
        self._part = part
        self._failures = 0
        self._pause = FIRST_SECONDS
        self._open_until: float | None = None
        self._probing_until = 0.0

    def pass_one(self, seconds: float) -> None:
        """Let a question through that takes ``seconds`` at most. Raises NotAsked while the circuit
        is open, and while another question finds out whether it still has to be."""
        if self._open_until is None:
            return
        now = self._now()
        if now < max(self._open_until, self._probing_until):
            raise NotAsked
        self._probing_until = now + seconds

    def answered(self) -> None:
        """It is there, whatever it said."""
        self._failures = 0
        self._probing_until = 0.0
        if self._open_until is not None:
            self._open_until = None
            self._pause = FIRST_SECONDS
            self._gauge.dec()

    def failed(self) -> None:
        self._failures += 1
        self._probing_until = 0.0
        if self._open_until is not None:
            self._pause = min(2 * self._pause, MOST_SECONDS)
        elif self._failures < self._limit:
            return
        else:
            self._gauge.inc()
        self._open_until = self._now() + self._pause * (0.75 + self._part() / 2)


class Circuits:
    def __init__(self, now: Callable[[], float], part: Callable[[], float]) -> None:
        self._now = now
        self._part = part
        self._all = Circuit("shopify", ALL_FAILURES, now, part)
        self._shops: OrderedDict[UUID, Circuit] = OrderedDict()

    def pass_one(self, merchant_id: UUID, seconds: float) -> None:
        """Raises NotAsked where asking is of no use now."""
        if (own := self._shops.get(merchant_id)) is not None:
            own.pass_one(seconds)
        self._all.pass_one(seconds)

    def answered(self, merchant_id: UUID) -> None:
        self._all.answered()
        if (own := self._shops.pop(merchant_id, None)) is not None:
            own.answered()

    def failed(self, merchant_id: UUID) -> None:
        self._all.failed()
        own = self._shops.get(merchant_id)
        if own is None:
            own = self._shops[merchant_id] = Circuit("shop", SHOP_FAILURES, self._now, self._part)
        self._shops.move_to_end(merchant_id)
        own.failed()
        if len(self._shops) > _MOST_SHOPS:
            _, forgotten = self._shops.popitem(last=False)
            forgotten.answered()  # so that nobody counts it any more
