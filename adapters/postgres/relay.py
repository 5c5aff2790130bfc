"""The outbox's way out: publish after the commit, delete once stored, sweep what a crash left."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from adapters.nats.connection import ACTOR, AT, MESSAGE_ID, TRACE
from adapters.nats.publisher import Publisher
from adapters.nats.streams import DAY, RETENTION_SECONDS
from adapters.postgres.database import Database
from adapters.tasks import end_all
from adapters.telemetry.metrics import OUTBOX_AGE, OUTBOX_PUBLISHED
from domain.errors import Unavailable
from ports.clock import Clock
from ports.events import Outgoing

log = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 2.0
LEFT_BEHIND_AFTER: Final = timedelta(seconds=5)
ANSWERS_KEPT: Final = timedelta(days=30)
INBOX_KEPT: Final = timedelta(seconds=RETENTION_SECONDS + DAY)
"""Longer than a stream keeps its events: what can still be delivered must still be remembered."""

_MOST_WAITING: Final = 20_000
_AT_ONCE: Final = 500

_DELETE: Final = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS uuid[]))")
_LEFT: Final = text(
    """
    SELECT id, subject, payload, at, trace, actor FROM outbox
    WHERE at < :before ORDER BY id LIMIT :most
    """
)
_OLDEST: Final = text("SELECT min(at) FROM outbox")
_FORGET_INBOX: Final = text("DELETE FROM inbox WHERE at < :before")
_FORGET_ANSWERS: Final = text("DELETE FROM answers WHERE at < :before")


class Relay:
    """Publishes one service's outbox. Every event keeps its id, so a repeat does nothing."""

    def __init__(self, database: Database, publisher: Publisher, clock: Clock) -> None:
        self._database = database
        self._publisher = publisher
        self._clock = clock
        self._waiting: list[Outgoing] = []
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def soon(self, events: Sequence[Outgoing]) -> None:
        """Publish what has just been committed. Too much at once is left to the sweeper."""
        if events and len(self._waiting) < _MOST_WAITING:
            self._waiting.extend(events)
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
            events, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            if not self._waiting and not self._stopping:
                self._something.clear()
            try:
                await self._publish(events, "relay")
            except Unavailable:
                log.info("%s: events wait in the outbox", self._database.service)

    async def _publish(self, events: Sequence[Outgoing], by: str) -> int:
        """Returns how many were stored and removed."""
        if not events:
            return 0
        results = await self._publisher.publish_all(
            [(event.subject, event.payload, _headers(event)) for event in events]
        )
        stored = [
            UUID(event.id)
            for event, result in zip(events, results, strict=True)
            if not isinstance(result, Unavailable)
        ]
        if stored:
            async with self._database.transaction() as connection:
                await connection.execute(_DELETE, {"ids": stored})
            OUTBOX_PUBLISHED.labels(self._database.service, by).inc(len(stored))
        return len(stored)

    async def _sweep_for_ever(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                while await self.sweep() == _AT_ONCE:
                    pass  # a long outage leaves more than one round takes
                if rounds % 1800 == 0:
                    await self._forget()
            except Unavailable:
                continue
            except Exception:
                log.exception("%s: sweeping the outbox failed", self._database.service)
            rounds += 1

    async def sweep(self) -> int:
        """Publish what has lain in the outbox for longer than it should. Returns how many."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            oldest = (await connection.execute(_OLDEST)).scalar_one()
        OUTBOX_AGE.labels(self._database.service).set(
            0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        )
        if oldest is None or now - oldest < LEFT_BEHIND_AFTER:
            return 0
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                _LEFT, {"before": now - LEFT_BEHIND_AFTER, "most": _AT_ONCE}
            )
            left = [
                Outgoing(
                    str(row.id), row.subject, row.payload.encode(), row.at, row.trace, row.actor
                )
                for row in rows
            ]
        return await self._publish(left, "sweeper")

    async def _forget(self) -> None:
        now = self._clock.now()
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET_INBOX, {"before": now - INBOX_KEPT})
            await connection.execute(_FORGET_ANSWERS, {"before": now - ANSWERS_KEPT})


def _headers(event: Outgoing) -> dict[str, str]:
    headers = {MESSAGE_ID: event.id, AT: event.at.isoformat()}
    if event.trace:
        headers[TRACE] = event.trace
    if event.actor:
        headers[ACTOR] = event.actor
    return headers
