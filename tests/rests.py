"""How the loops of services rest in tests: as long as they say, or until a test waits for them."""

import asyncio
from typing import Final

LONGEST: Final = 5.0
"""Seconds. Loops that rest longer are left alone: an interval that is far too long is noticed."""
SHORTEST: Final = 0.2
"""Seconds. A test that waits does not keep every loop going round all the time."""

_RESTING: Final[set[asyncio.Future[None]]] = set()


async def rest(seconds: float) -> None:
    """Rest for ``seconds``, or until somebody cannot wait."""
    least = seconds if seconds > LONGEST else min(seconds, SHORTEST)
    await asyncio.sleep(least)
    if least < seconds:
        over = asyncio.get_running_loop().create_future()
        _RESTING.add(over)
        try:
            await asyncio.wait([over], timeout=seconds - least)
        finally:
            _RESTING.discard(over)


def cut_short() -> None:
    """Whatever rests in this event loop goes on."""
    here = asyncio.get_running_loop()
    for over in _RESTING:
        if over.get_loop() is here and not over.done():
            over.set_result(None)
