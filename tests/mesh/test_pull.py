"""How long a consumer waits for company for what it has."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from adapters.nats import pull
from adapters.nats.pull import Puller
from contracts.kit import Event
from infra.embedded.servers import Servers
from tests.mesh.trap import Rig, Said, rig_on

CROWD = Event("trap.crowd", Said, "trap", "")


@pytest.fixture
async def rig(servers: Servers) -> AsyncIterator[Rig]:
    async with rig_on(servers) as one:
        yield one


@asynccontextmanager
async def pulling(rig: Rig, batch: int) -> AsyncIterator[Puller]:
    durable = f"pull-{rig.merchant}"
    await rig.js.pull_subscribe(CROWD.subject(rig.merchant), durable, "EVENTS")
    puller = Puller(rig.client, "EVENTS", durable, batch)
    await puller.start()
    yield puller
    await puller.stop()


async def say(rig: Rig, events: int) -> None:
    for _ in range(events):
        await rig.publisher.publish(
            CROWD.subject(rig.merchant), b'{"number":1}', {"Nats-Msg-Id": str(uuid4())}
        )


async def test_it_waits_for_company_in_a_crowd_and_no_longer_than_somebody_comes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_LINGER_SECONDS", 60.0)
    monkeypatch.setattr(pull, "_PACE_SECONDS", 5.0)
    async with pulling(rig, 500) as puller:
        monkeypatch.setattr(puller._pace, "_was_busy", True)  # it is a crowd, for ten seconds
        started = time.monotonic()
        await say(rig, 40)
        taken = await puller.take()
        while len(taken) < 40:
            taken += await puller.take()
        # Not until the minute is over, nor until the batch is full.
        assert time.monotonic() - started < 20
        for message in taken:
            await message.ack()
