"""How long bodies may take, each by itself, whatever others do meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from litestar.types import Receive

from adapters.http.patience import Patience
from contracts.http import BodyTooSlow

SECONDS = 0.1  # timers of the event loop know milliseconds
PIECE = {"type": "http.request", "body": b"x", "more_body": True}
LAST = {"type": "http.request", "body": b"x", "more_body": False}


def sender(*messages: dict[str, Any], pause: float = 0.0) -> Receive:
    """Sends these, each after ``pause`` seconds, and then nothing more."""
    left = list(messages)

    async def receive() -> Any:
        if not left:
            await asyncio.Event().wait()
        await asyncio.sleep(pause)
        return left.pop(0)

    return receive


async def read(receive: Receive) -> int:
    """How many pieces came until the body was complete."""
    pieces = 1
    while (await receive())["more_body"]:  # type: ignore[typeddict-item]
        pieces += 1
    return pieces


async def given_up(receive: Receive) -> float:
    """After how many seconds that is."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(BodyTooSlow):
        async with asyncio.timeout(5):
            await read(receive)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    return loop.time() - started


@pytest.mark.parametrize("sent", [0, 1, 3])
async def test_a_body_that_stops_is_given_up(sent: int) -> None:
    patience = Patience(SECONDS)
    assert await given_up(patience.limited(sender(*[PIECE] * sent))) > SECONDS - 0.001


async def test_pieces_in_time_are_no_excuse_for_a_body_that_is_late() -> None:
    patience = Patience(SECONDS)
    took = await given_up(patience.limited(sender(*[PIECE] * 1000, pause=SECONDS / 5)))
    assert took > SECONDS - 0.001


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_each_has_its_time_whenever_it_began(run: Callable[[Any], None]) -> None:
    """Also on uvloop, which rounds to milliseconds and makes no timer of what is due already."""

    async def later(pause: float, patience: Patience) -> float:
        await asyncio.sleep(pause)
        return await given_up(patience.limited(sender(PIECE)))

    async def all_of_them() -> None:
        patience = Patience(SECONDS)
        took = await asyncio.gather(*(later(n * SECONDS / 50, patience) for n in range(150)))
        assert min(took) > SECONDS - 0.005

    run(all_of_them())


async def test_who_is_late_between_two_pieces_is_given_up_before_those_who_began_later() -> None:
    patience = Patience(3 * SECONDS)
    ended = []

    async def busy() -> None:
        limited = patience.limited(sender(PIECE))
        await limited()
        await asyncio.sleep(3.1 * SECONDS)
        with pytest.raises(BodyTooSlow):
            await limited()
        ended.append("busy")

    async def idle() -> None:
        await asyncio.sleep(2.8 * SECONDS)
        await given_up(patience.limited(sender()))
        ended.append("idle")

    await asyncio.gather(busy(), idle())
    assert ended == ["busy", "idle"]


async def test_who_is_in_time_is_not_harmed_by_who_is_late() -> None:
    patience = Patience(SECONDS)
    late = asyncio.create_task(given_up(patience.limited(sender())))
    while not late.done():
        assert await read(patience.limited(sender(PIECE, LAST))) == 2
    assert await read(patience.limited(sender(LAST))) == 1
    assert await given_up(patience.limited(sender(PIECE))) > SECONDS - 0.001


async def test_what_comes_after_the_body_may_take_its_time() -> None:
    gone = {"type": "http.disconnect"}
    coming = iter([(0, LAST), (2 * SECONDS, gone)])

    async def receive() -> Any:
        pause, message = next(coming)
        await asyncio.sleep(pause)
        return message

    limited = Patience(SECONDS).limited(receive)
    assert [await limited(), await limited()] == [LAST, gone]


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_is_stopped_is_stopped(is_late: bool) -> None:
    """A request that is cancelled is no body that is slow, not even when it is both at once."""

    async def receive() -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            if is_late:
                asyncio.current_task().cancel()  # type: ignore[union-attr]

    reading = asyncio.create_task(read(Patience(SECONDS).limited(receive)))
    await asyncio.sleep(0)
    if not is_late:
        reading.cancel()
    await asyncio.wait({reading}, timeout=5)
    assert reading.cancelled()
