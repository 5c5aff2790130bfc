"""How long events wait in line to be stored."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import msgspec

from adapters.nats.packer import Packer
from adapters.nats.packs import MOST_EVENTS, Carried
from adapters.nats.publisher import Publisher

NOW = datetime(2026, 6, 1, tzinfo=UTC)


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
            body = msgspec.Raw(b"{}")
            assert await packer.store(Carried(str(next(numbers)), "evt.a.b.c", body, NOW))

    async with asyncio.TaskGroup() as bringing:
        for _ in range(3 * MOST_EVENTS):
            bringing.create_task(bring())
