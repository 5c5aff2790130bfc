"""The outbox's way out: publish after the commit, delete once stored, sweep what a crash left."""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from adapters.nats.outbox import Outbox
from adapters.nats.packs import Parcel, carried, parcels
from adapters.nats.publisher import Publisher, TooLarge
from adapters.nats.streams import DAY, RETENTION_SECONDS
from adapters.tasks import end_all
from adapters.telemetry.metrics import OUTBOX_AGE, OUTBOX_PUBLISHED, OUTBOX_TOO_LARGE
from domain.errors import Unavailable
from ports.clock import Clock
from ports.events import Said

log = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 2.0
LEFT_BEHIND_AFTER: Final = timedelta(seconds=5)
ANSWERS_KEPT: Final = timedelta(days=30)
INBOX_KEPT: Final = timedelta(seconds=RETENTION_SECONDS + DAY)
"""Longer than a stream keeps its events: what can still be delivered must still be remembered."""

_MOST_WAITING: Final = 20_000
"""Events, after which the sweeper is left to publish what else is said."""
_AT_ONCE: Final = 500
"""Events, or messages, on their way at once."""
_SWEPT_AT_ONCE: Final = 50
"""Transactions that the sweeper reads at once; each said up to some thousand events."""


class Relay:
    """Publishes one service's outbox. Every event keeps its id, so a repeat does nothing."""

    def __init__(self, outbox: Outbox, publisher: Publisher, clock: Clock) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._clock = clock
        self._waiting: deque[Said] = deque()
        self._count = 0  # events in it
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._named: set[str] = set()  # events that are too large for a message

    def soon(self, said: Said) -> None:
        """Publish what has just been committed. Too much at once is left to the sweeper."""
        if self._count < _MOST_WAITING:
            self._count += len(said.events)
            self._waiting.append(said)
            self._something.set()

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._publish_committed(), name="outbox relay"),
            asyncio.create_task(self._sweep_for_ever(), name="outbox sweeper"),
        ]

    async def stop(self) -> None:
        """Publish what is waiting; what cannot be published now stays for the next start."""
        self._stopping = True
        self._something.set()
        publishing, sweeping = self._tasks
        await end_all([sweeping])
        await asyncio.wait({publishing}, timeout=5)
        await end_all([publishing])

    async def _publish_committed(self) -> None:
        while self._waiting or not self._stopping:
            await self._something.wait()
            batch: list[Said] = []
            events = 0
            while self._waiting and events < _AT_ONCE:
                batch.append(self._waiting.popleft())
                events += len(batch[-1].events)
            self._count -= events
            if not self._waiting and not self._stopping:
                self._something.clear()
            try:
                await self._publish(batch, "relay")
            except Unavailable:
                log.info("%s: events wait in the outbox", self._outbox.service)
            except Exception:
                log.exception("%s: publishing what was said failed", self._outbox.service)

    async def _publish(self, batch: Sequence[Said], by: str) -> Collection[str]:
        """Returns the events that no message can hold. Raises Unavailable when something else was
        not stored. Both stay in the outbox."""
        waiting = [each for said in batch for each in parcels(map(carried, said.events))]
        lost: set[str] = set()
        too_large: dict[str, Parcel] = {}
        for start in range(0, len(waiting), _AT_ONCE):
            part = waiting[start : start + _AT_ONCE]
            results = await self._publisher.publish_all(
                [(each.subject, each.payload, each.headers) for each in part]
            )
            for each, result in zip(part, results, strict=True):
                if isinstance(result, TooLarge):
                    too_large |= dict.fromkeys(each.ids, each)
                elif isinstance(result, Unavailable):
                    lost.update(each.ids)
        left = lost | too_large.keys()
        await self._remove(batch, left)
        count = sum(len(said.events) for said in batch)
        OUTBOX_PUBLISHED.labels(self._outbox.service, by).inc(count - len(left))
        self._name(too_large)
        if lost:
            raise Unavailable(f"{len(lost)} events were not stored.")
        return too_large

    def _name(self, too_large: Mapping[str, Parcel]) -> None:
        """Say of each once that it stays."""
        for event_id in too_large.keys() - self._named:
            log.error(
                "%s: event %s of %s has %d bytes, more than NATS takes, and stays in the outbox",
                self._outbox.service,
                event_id,
                too_large[event_id].subject,
                len(too_large[event_id].payload),
            )
        self._named.update(too_large)

    async def _remove(self, batch: Sequence[Said], lost: Collection[str]) -> None:
        """Take what was stored out of the outbox, and leave only the ``lost`` events there."""
        done, kept = [], []
        for said in batch:
            left = tuple(event for event in said.events if event.id in lost) if lost else ()
            if not left:
                done.append(said)
            elif len(left) < len(said.events):
                kept.append(replace(said, events=left))
        if done or kept:
            await self._outbox.remove(done, kept)

    async def _sweep_for_ever(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
                if rounds % 1800 == 0:
                    await self._forget()
            except Unavailable:
                continue
            except Exception:
                log.exception("%s: sweeping the outbox failed", self._outbox.service)
            rounds += 1

    async def sweep(self) -> None:
        """Publish what has lain in the outbox for longer than it should. Raises Unavailable when
        NATS does not take it now; what it never takes keeps nothing else from going out."""
        now = self._clock.now()
        oldest = await self._outbox.oldest()
        OUTBOX_AGE.labels(self._outbox.service).set(
            0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        )
        too_large, stay = 0, 0
        is_more = oldest is not None and now - oldest >= LEFT_BEHIND_AFTER
        while is_more:
            left = await self._outbox.left(now - LEFT_BEHIND_AFTER, stay, _SWEPT_AT_ONCE)
            found = await self._publish(left, "sweeper")
            too_large += len(found)
            stay += sum(any(event.id in found for event in said.events) for said in left)
            is_more = len(left) == _SWEPT_AT_ONCE
        OUTBOX_TOO_LARGE.labels(self._outbox.service).set(too_large)

    async def _forget(self) -> None:
        now = self._clock.now()
        await self._outbox.forget(now - INBOX_KEPT, now - ANSWERS_KEPT)
