"""Batches that are applied side by side: they share nobody, and what fails in one is its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from adapters.nats.consumer import LANES, Consumer, Consumes
from adapters.nats.packs import Carried, parcel
from adapters.postgres.connection import Connection
from adapters.system import SystemClock
from contracts.kit import Event
from domain.errors import Unavailable
from infra.embedded.servers import Servers
from ports.events import Received
from ports.unit import Unit
from tests.conftest import eventually
from tests.mesh.trap import Rig, Said, rig_on, write_down

BUSY = Event("trap.busy", Said, "trap", "")
BATCH = 50
MEMBERS = 7


@pytest.fixture
async def rig(servers: Servers) -> AsyncIterator[Rig]:
    async with rig_on(servers) as one:
        yield one


def member(event: Received[Said]) -> int:
    return event.body.number % MEMBERS


def whose(bodies: Sequence[Said]) -> Sequence[int] | None:
    if any(body.number >= 1_000_000 for body in bodies):
        return None  # concerns everybody
    return [body.number % MEMBERS for body in bodies]


def consumer_of(rig: Rig, handle: Callable[..., Any], *, inbox: bool = True) -> Consumer[Any]:
    consumes = Consumes(
        (BUSY,), rig.units, handle, name=f"busy-{rig.merchant}", batch=BATCH, backoff=(0.1,),
        whose=whose, inbox=inbox,
    )  # fmt: skip
    return Consumer(rig.client, rig.js, rig.publisher, "trap", consumes)


async def say(rig: Rig, *numbers: int) -> None:
    """In messages of ten; every other shop's events that wait are told apart by their shop."""
    subject = BUSY.subject(rig.merchant)
    for start in range(0, len(numbers), 10):
        events = [
            Carried(
                str(uuid4()),
                subject,
                msgspec.Raw(msgspec.json.encode({"number": number})),
                SystemClock().now(),
            )
            for number in numbers[start : start + 10]
        ]
        one = parcel(subject, events)
        await rig.publisher.publish(one.subject, one.payload, one.headers)


class Watched:
    """A handler that sees who is being worked for at the moment."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._now: Counter[int] = Counter()
        self.under_way = 0
        self.most = 0
        self.shared = 0
        self.seen: list[int] = []

    async def __call__(self, unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
        mine = [each for each in events if each.merchant_id == self._rig.merchant]
        members = {member(each) for each in mine}
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.shared += sum(self._now[each] for each in members)
        self._now.update(members)
        self.seen += [each.body.number for each in mine]
        try:
            await asyncio.sleep(0.02)  # what a database takes
            await write_down(unit, mine)
        finally:
            self._now.subtract(members)
            self.under_way -= 1


async def test_only_of_more_than_a_batch_two_are_under_way_and_nobody_is_in_both(rig: Rig) -> None:
    watched = Watched(rig)
    consumer = consumer_of(rig, watched)
    await say(rig, *range(BATCH))
    await consumer.start()
    await eventually(rig.written, lambda found: len(found) == BATCH)
    await consumer.stop()
    assert watched.most == 1

    await say(rig, *range(BATCH, 1_000))
    consumer = consumer_of(rig, watched)
    await consumer.start()
    await eventually(rig.written, lambda found: len(found) == 1_000)
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    await consumer.stop()
    assert await rig.written() == list(range(1_000))
    assert (watched.most, watched.shared) == (LANES, 0)
    for each in range(MEMBERS):
        theirs = [number for number in watched.seen if number % MEMBERS == each]
        assert theirs == sorted(theirs)


async def test_what_concerns_everybody_is_not_overtaken(rig: Rig) -> None:
    watched = Watched(rig)
    numbers = [*range(60), 1_000_000, *range(60, 80)]
    await say(rig, *numbers)
    consumer = consumer_of(rig, watched)
    await consumer.start()
    await eventually(rig.written, lambda found: len(found) == len(numbers))
    await consumer.stop()
    assert watched.seen.index(1_000_000) == 60
    assert set(watched.seen[:60]) == set(range(60))


async def test_what_fails_in_one_lane_is_not_tried_again_in_the_other(rig: Rig) -> None:
    """Seen without an inbox, which would hide it."""
    dead: list[Any] = []

    async def bury(message: Any) -> None:
        dead.append(message.data)

    await rig.client.subscribe(f"dead.trap.{rig.merchant}", cb=bury)
    watched = Watched(rig)
    numbers = [*range(40), -MEMBERS, *range(40, 90)]  # of member 0
    await say(rig, *numbers)
    consumer = consumer_of(rig, watched, inbox=False)
    await consumer.start()
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    await consumer.stop()
    assert dead == [b'{"number":%d}' % -MEMBERS]
    assert sorted(set(await rig.written())) == list(range(90))
    # The message with the bad one came again as a whole, and its lane was taken event by event.
    of_its_message = set(numbers[40:50])
    again = {
        number % MEMBERS
        for number, times in Counter(watched.seen).items()
        if times > 1 and number not in of_its_message
    }
    assert 0 in again
    assert len(again) < MEMBERS


async def test_stopped_while_the_storage_is_away_it_gives_everything_back_at_once(rig: Rig) -> None:
    waiting = asyncio.Event()

    async def away(*_: object) -> None:
        waiting.set()
        raise Unavailable("Away.")

    await say(rig, *range(90))
    first = consumer_of(rig, away)
    await first.start()
    await waiting.wait()
    await first.stop()
    second = consumer_of(rig, write_down)
    await second.start()
    # Long before the ten seconds are over after which what nobody gave back comes again.
    written = await eventually(rig.written, lambda found: len(found) == 90, seconds=8)
    assert written == list(range(90))
    await second.stop()
