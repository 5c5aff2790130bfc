"""Whether the mesh has come to rest: no consumer behind, no outbox with anything in it."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import asyncpg
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from adapters.nats.streams import DEAD, EVENTS, TASKS, WEBHOOKS
from adapters.postgres.tenancy import ACROSS_ROLE
from services import SERVICES
from tests.rig.stack import Stack

_STREAMS: Final = (WEBHOOKS, EVENTS, TASKS, DEAD)
_AWAY: Final = (
    NatsError,
    JetStreamError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""A server that is being killed and started says one of these."""


class NotQuiet(AssertionError):
    """The mesh did not come to rest in time; the text says what was still waiting."""


class Watch:
    """Looks at all consumers and outboxes of a rig, and remembers the greatest lags."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._databases: dict[str, asyncpg.Connection] = {}
        self.peaks: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self._databases.values():
            connection.terminate()

    async def lags(self) -> dict[str, int]:
        """Events that each consumer has not acknowledged yet."""
        found = {}
        for stream in _STREAMS:
            for info in await self._stack.js.consumers_info(stream):
                found[info.name] = (info.num_pending or 0) + (info.num_ack_pending or 0)
        for name, lag in found.items():
            self.peaks[name] = max(lag, self.peaks.get(name, 0))
        return found

    async def outboxes(self) -> dict[str, int]:
        """Events that wait in each service's outbox, counted up to 1,000."""
        found = {}
        for service in SERVICES:
            connection = await self._database(service)
            if connection is not None:
                found[service] = await connection.fetchval(
                    "SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT 1000) AS waiting"
                )
        return found

    async def _database(self, service: str) -> asyncpg.Connection | None:
        known = self._databases.get(service)
        if known is not None and not known.is_closed():
            return known
        try:
            connection = await asyncpg.connect(
                self._stack.environment()["LOYALNEST_POSTGRES_URL"],
                database=f"loyalnest_{service}",
                timeout=5,
                command_timeout=10,
            )
        except asyncpg.InvalidCatalogNameError:
            return None  # a service without storage
        self._databases[service] = connection
        return connection

    async def _stored(self) -> tuple[int, ...]:
        return tuple(
            [(await self._stack.js.stream_info(stream)).state.last_seq for stream in _STREAMS]
        )

    async def waiting(self) -> Mapping[str, int]:
        """What waits anywhere; empty: nothing, nor could anything that was under way unseen."""
        before = await self._stored()
        found = {name: lag for name, lag in (await self.lags()).items() if lag}
        if found:
            return found
        found = {f"outbox of {name}": n for name, n in (await self.outboxes()).items() if n}
        if found:
            return found
        # A consumer seen idle may since have been given what another one said meanwhile.
        found = {name: lag for name, lag in (await self.lags()).items() if lag}
        if not found and await self._stored() != before:
            found = {"something that was just said": 1}
        return found

    async def until_quiet(self, seconds: float) -> float:
        """Waits for rest; returns the monotonic moment of it. Raises NotQuiet."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                waiting = await self.waiting()
            except _AWAY as error:
                waiting = {type(error).__name__: 1}
            now = time.monotonic()
            if not waiting:
                return now
            if now > deadline:
                raise NotQuiet(f"after {seconds:.0f} s still waiting: {dict(waiting)}")
            await asyncio.sleep(0.05)

    async def until_named(self, seconds: float) -> None:
        """Waits until everybody can be found by name, which is worked out beside all that is
        said, and so after the mesh is quiet. Raises NotQuiet."""
        connection = await self._database("users")
        deadline = time.monotonic() + seconds
        while connection is not None:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {ACROSS_ROLE}")
                unnamed = await connection.fetchval(
                    "SELECT count(*) FROM users WHERE name_index IS NULL"
                )
            if not unnamed:
                return
            if time.monotonic() > deadline:
                raise NotQuiet(f"after {seconds:.0f} s {unnamed} people have no name yet")
            await asyncio.sleep(0.05)

    async def sample(self, every: float = 0.5) -> None:
        """Keeps ``peaks`` up to date until it is cancelled."""
        while True:
            with contextlib.suppress(*_AWAY):
                await self.lags()
            await asyncio.sleep(every)

    async def dead_letters(self) -> int:
        """Events that were put aside."""
        return int((await self._stack.js.stream_info(DEAD)).state.messages)
