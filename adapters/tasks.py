"""Ending background tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_AGAIN_AFTER: Final = 0.2


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel these tasks until they have ended.

    Once is not enough: in Python 3.11 ``asyncio.wait_for``, which the NATS client uses for every
    request, swallows a cancellation that arrives just as its answer does, and a loop that was
    cancelled there goes on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_AGAIN_AFTER)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at, so that nobody is warned of it
