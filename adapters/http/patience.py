"""How long the body of a request may take: one timer for all that are being read, since a timer for
each costs more than to read it."""

import asyncio
from math import inf
from typing import Any

from litestar.types import Receive

from contracts.http import BodyTooSlow


class Patience:
    """Bodies have to be there within ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[asyncio.Task[Any], float] = {}
        """As the loop's clock has it, for each task that waits for a piece of a body."""
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.Handle | None = None
        self._looks_at = inf

    def limited(self, receive: Receive) -> Receive:
        """Raises BodyTooSlow while the body is read; what comes after it may take its time."""
        until = asyncio.get_running_loop().time() + self._seconds
        complete = False

        async def in_time() -> Any:
            nonlocal complete
            if complete:
                return await receive()
            message = await self._received(receive, until)
            complete = message["type"] != "http.request" or not message["more_body"]
            return message

        return in_time

    async def _received(self, receive: Receive, until: float) -> Any:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read by a task")
        self._until[task] = until
        if until < self._looks_at:
            self._look_at(until)
        try:
            return await receive()
        except asyncio.CancelledError:
            if task in self._late and not task.uncancel():
                raise BodyTooSlow from None
            raise  # somebody else wants it, too
        finally:
            self._until.pop(task, None)
            self._late.discard(task)

    def _look_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._look)
        self._looks_at = when

    def _look(self) -> None:
        """Tell who is late; the next look is when the next would be. Most bodies come and go
        between two looks."""
        self._timer, self._looks_at = None, inf
        now = asyncio.get_running_loop().time()
        for task in [task for task, until in self._until.items() if until <= now]:
            del self._until[task]
            self._late.add(task)
            task.cancel()
        if self._until:
            self._look_at(min(self._until.values()))
