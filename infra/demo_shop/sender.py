"""Sends deliveries to the edge as Shopify would: signed, at a chosen rate, again when it must."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from infra.demo_shop.delivery import Delivery
from infra.demo_shop.http_client import LOST, Connection
from infra.demo_shop.request import HOST, Prepared, Target

_TICK: Final = 0.002  # seconds between two looks at what is due
_ANSWER_WITHIN: Final = 5.0  # seconds; Shopify waits no longer either
_FIRST_PAUSE: Final = 0.05  # seconds before the first repeat; doubles with each
_LONGEST_PAUSE: Final = 2.0

Accepted = Callable[[Delivery, float], None]
"""Called with each delivery that was answered 2xx, and the loop's time of the answer."""


@dataclass(slots=True)
class Report:
    """What became of the deliveries. A delivery in ``given_up`` was never answered in time: the
    edge may have it or not. ``latencies`` are seconds from when a delivery was due (so a sender
    that falls behind is part of them) to its acceptance."""

    accepted: list[Delivery] = field(default_factory=list)
    duplicates: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    given_up: list[Delivery] = field(default_factory=list)
    retries: int = 0
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.accepted) / self.seconds if self.seconds else 0.0

    def latency(self, quantile: float) -> float:
        """Such as 0.99; in seconds, 0 when nothing was accepted."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * quantile), len(ordered) - 1)] if ordered else 0.0


@dataclass(slots=True)
class _Attempt:
    what: Prepared
    due: float
    first_at: float
    tries: int = 0


class Sender:
    """Sends at ``rate`` deliveries per second, or as fast as the edge takes them.

    At most ``connections`` are on their way at once. A 5xx, a 429, a lost connection or no answer
    within 5 s is tried again with growing pauses for ``patience`` seconds; any other status is
    final.
    """

    def __init__(
        self,
        target: Target,
        *,
        rate: float | None = None,
        connections: int = 32,
        patience: float = 60.0,
        on_accepted: Accepted | None = None,
    ) -> None:
        self._target = target
        self._rate = rate
        self._connections = connections
        self._patience = patience
        self._on_accepted = on_accepted
        self.report = Report()

    async def send(self, deliveries: Iterable[Prepared]) -> Report:
        """Returns when each of them was answered or given up; ``report`` may be read meanwhile.
        One sender sends once."""
        run = _Run(
            iter(deliveries),
            self._target,
            self._rate,
            self._patience,
            self.report,
            self._on_accepted,
        )
        await run.to_the_end(self._connections)
        return self.report


class _Run:
    """Driven by answers: a connection that got its answer takes the next delivery at once."""

    def __init__(
        self,
        deliveries: Iterator[Prepared],
        target: Target,
        rate: float | None,
        patience: float,
        report: Report,
        on_accepted: Accepted | None,
    ) -> None:
        self._deliveries = deliveries
        self._target = target
        self._rate = rate
        self._patience = patience
        self._report = report
        self._on_accepted = on_accepted
        self._loop = asyncio.get_running_loop()
        self._start = self._last_heard = self._loop.time()
        self._released = 0
        self._more = True
        self._waiting = 0  # attempts that pause before their next try
        self._again: deque[_Attempt] = deque()
        self._idle: list[Connection] = []
        self._carried: dict[Connection, _Attempt] = {}
        self._seen: set[str] = set()
        self._over = asyncio.Event()

    async def to_the_end(self, connections: int) -> None:
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep_open()) for _ in range(connections)]
            ticker = group.create_task(self._tick())
            await self._over.wait()
            for task in (*keepers, ticker):
                task.cancel()
        self._report.seconds = self._loop.time() - self._start
        for connection in self._idle:
            connection.close()

    async def _keep_open(self) -> None:
        """Opens a connection, and another when that one is lost."""
        pause = _FIRST_PAUSE
        while True:
            try:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._answered), HOST, self._target.port
                )
            except OSError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            self._last_heard = self._loop.time()
            self._idle.append(connection)
            self._pump()
            await connection.lost.wait()

    async def _tick(self) -> None:
        while True:
            self._pump()
            now = self._loop.time()
            for connection in [c for c in self._carried if now - c.sent_at > _ANSWER_WITHIN]:
                connection.close()
            if self._idle:
                self._last_heard = now  # silence is only a sign where nobody is connected
            elif now - self._last_heard > self._patience and not self._carried:
                self._give_up()
            await asyncio.sleep(_TICK)

    def _pump(self) -> None:
        """Hands what is due to the connections that are free."""
        while self._idle:
            connection = self._idle[-1]
            if not connection.open:
                self._idle.pop()
                continue
            attempt = self._next()
            if attempt is None:
                return
            self._idle.pop()
            attempt.tries += 1
            self._carried[connection] = attempt
            connection.send(attempt.what.request, self._loop.time())

    def _next(self) -> _Attempt | None:
        if self._again:
            return self._again.popleft()
        if not self._more:
            self._end_if_done()
            return None
        now = self._loop.time()
        due = now
        if self._rate is not None:
            due = self._start + self._released / self._rate
            if due > now:
                return None
        what = next(self._deliveries, None)
        if what is None:
            self._more = False
            self._end_if_done()
            return None
        self._released += 1
        return _Attempt(what, due, now)

    def _answered(self, connection: Connection, status: int) -> None:
        attempt = self._carried.pop(connection, None)
        if attempt is not None:
            if 200 <= status < 300:
                self._accept(attempt)
            elif status == LOST or status == 429 or status >= 500:
                self._retry(attempt)
            else:
                self._report.refused[status] += 1
        if status != LOST:
            self._last_heard = self._loop.time()
            self._idle.append(connection)
        self._pump()
        if not self._more:
            self._end_if_done()

    def _accept(self, attempt: _Attempt) -> None:
        now, delivery = self._loop.time(), attempt.what.delivery
        report = self._report
        report.accepted.append(delivery)
        report.latencies.append(now - attempt.due)
        if delivery.webhook_id in self._seen:
            report.duplicates += 1
        self._seen.add(delivery.webhook_id)
        if self._on_accepted is not None:
            self._on_accepted(delivery, now)

    def _retry(self, attempt: _Attempt) -> None:
        if self._loop.time() - attempt.first_at > self._patience:
            self._report.given_up.append(attempt.what.delivery)
            return
        self._report.retries += 1
        self._waiting += 1
        pause = min(_FIRST_PAUSE * 2 ** (attempt.tries - 1), _LONGEST_PAUSE)
        self._loop.call_later(pause, self._back, attempt)

    def _back(self, attempt: _Attempt) -> None:
        self._waiting -= 1
        self._again.append(attempt)
        self._pump()

    def _give_up(self) -> None:
        """The edge has been gone for too long: nothing that is left will arrive."""
        self._report.given_up += [attempt.what.delivery for attempt in self._again]
        self._report.given_up += [what.delivery for what in self._deliveries]
        self._again.clear()
        self._more = False
        self._end_if_done()

    def _end_if_done(self) -> None:
        if not (self._more or self._carried or self._again or self._waiting):
            self._over.set()
