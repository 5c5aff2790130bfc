"""How long events wait in line to be stored."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import msgspec
import pytest

from adapters.nats.packer import Packer
from adapters.nats.packs import MOST_EVENTS, Carried
from adapters.nats.publisher import Publisher
from domain.errors import Unavailable

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def event(number: int) -> Carried:
    return Carried(str(number), "evt.a.b.c", msgspec.Raw(b"{}"), NOW)


class Failing:
    """In a way that nobody thought of."""

    async def publish(self, *_: Any) -> bool:
        raise ZeroDivisionError


async def test_all_who_wait_are_told_of_a_failure_that_nobody_thought_of() -> None:
    packer = Packer(cast("Publisher", Failing()), 1.0)
    waiting = (packer.store(event(number)) for number in range(3 * MOST_EVENTS))
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in outcomes} == {Unavailable}


class Storing:
    """A stream that takes a moment for each message."""

    async def publish(self, *_: Any) -> bool:
        await asyncio.sleep(0.01)
        return True


async def test_a_line_that_never_ends_is_no_reason_to_refuse_anybody() -> None:
    """While some are sent others come: somebody waits at any moment, but nobody for long."""
    packer, numbers = Packer(cast("Publisher", Storing()), 1.0), count()
    until = asyncio.get_running_loop().time() + 1.5

    async def bring() -> None:
        while asyncio.get_running_loop().time() < until:
            assert await packer.store(event(next(numbers)))

    async with asyncio.TaskGroup() as bringing:
        for _ in range(3 * MOST_EVENTS):
            bringing.create_task(bring())


async def test_who_goes_away_takes_nobody_along() -> None:
    """The event is stored, those who brought it again are told, and whoever comes later, too."""
    packer = Packer(cast("Publisher", Storing()), 1.0)
    first = asyncio.create_task(packer.store(event(1)))
    again = asyncio.create_task(packer.store(event(1)))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(5):
        assert not await again
        assert first.cancelled()
        assert not await packer.store(event(1))
        assert await packer.store(event(2))


async def test_what_was_not_stored_may_be_tried_again() -> None:
    async def store(packer: Packer) -> bool:
        async with asyncio.timeout(5):
            return await packer.store(event(1))

    class Hesitant:
        """Fails once."""

        tries = 0

        async def publish(self, *_: Any) -> bool:
            self.tries += 1
            if self.tries == 1:
                raise Unavailable
            return True

    packer = Packer(cast("Publisher", Hesitant()), 1.0)
    with pytest.raises(Unavailable):
        await store(packer)
    assert await store(packer)
    assert not await store(packer)
