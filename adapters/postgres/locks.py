"""``ports.locks.Locks`` as advisory locks of PostgreSQL, each held by a connection of its own.

A lock of a session, not of a transaction: nothing is open in the database while the holder asks the
outside world. It is gone with its connection, so a process that dies leaves none behind. For that
the connection must be to PostgreSQL itself; a pooler that shares connections by transaction would
break it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from adapters.postgres.connection import DatabaseError, text
from adapters.postgres.database import Database
from domain.errors import Unavailable

_AT_ONCE: Final = 8
"""Connections that locks may take, besides the service's own pool."""
_PATIENCE: Final = 14_000  # milliseconds; longer than any holder asks the outside world
_LOCK: Final = text("SELECT pg_advisory_lock(hashtextextended(:name, 0))")


class AdvisoryLocks:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._here: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def __call__(self, name: str) -> AsyncIterator[None]:
        # First among those of this process, so that only one of them needs a connection.
        here = self._here.get(name)
        if here is None:
            here = self._here[name] = asyncio.Lock()
        async with here, self._slots, AsyncExitStack() as held:
            try:
                # Closing a connection is what frees its lock for certain.
                apart = self._database.apart(lock_timeout=str(_PATIENCE))
                connection = await held.enter_async_context(apart)
                await connection.execute(_LOCK, {"name": name})
            except DatabaseError as error:  # also one that could not be had in time
                raise Unavailable("The storage is not available.") from error
            yield
