"""Connections that wait for the next transaction, so that none has to be opened for each."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.postgres.connection import Line


class Pool:
    """At most ``size`` lines. One more would be opened and closed for a single transaction, which
    costs both sides far more than the transaction does; waiting for a turn is quicker."""

    def __init__(
        self, dial: Callable[[], Awaitable[Line]], size: int, *, patience: float = 10
    ) -> None:
        """``patience`` is how many seconds one waits for a turn."""
        self._dial = dial
        self._patience = patience
        self._turns = asyncio.Semaphore(size)
        self._idle: list[Line] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def take(self) -> Line:
        """Raises TimeoutError when it is nobody's turn, and what ``dial`` raises."""
        async with asyncio.timeout(self._patience):
            await self._turns.acquire()
        try:
            # The one that came back last. Taking turns, all of them would plan each statement and
            # fill caches of their own; so those that a rush has opened rest after it.
            while self._idle:
                line = self._idle.pop()
                if line.is_idle:
                    return line
            return await self._dial()
        except BaseException:
            self._turns.release()
            raise

    def give_back(self, line: Line) -> None:
        if line.is_idle and not self._is_closed:
            self._idle.append(line)
        else:
            ending = asyncio.create_task(line.close())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        self._turns.release()

    async def close(self) -> None:
        """Those that are out end when they come back."""
        self._is_closed = True
        ending = [line.close() for line in self._idle]
        self._idle.clear()
        await asyncio.gather(*ending, *self._ending)
