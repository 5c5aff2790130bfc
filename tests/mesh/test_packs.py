"""Events that share a message: what happens to one of them is no concern of the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.nats.connection import MESSAGE_ID, PACKED
from adapters.nats.consumer import BATCH, Consumer
from adapters.nats.packer import Packer
from adapters.nats.packs import MANY, Carried, parcel
from adapters.postgres.connection import Connection
from adapters.system import SystemClock
from contracts.kit import Event
from domain.errors import Unavailable
from infra.embedded.servers import Servers
from ports.events import Received
from ports.moving import ShopMoving
from ports.unit import Unit
from tests.conftest import eventually
from tests.mesh.trap import ECHOED, Rig, Said, rig_on, write_down
from tests.streams import events_in

HEARD = Event("trap.packed", Said, "trap", "")


@pytest.fixture
async def rig(servers: Servers) -> AsyncIterator[Rig]:
    async with rig_on(servers) as one:
        yield one


def consumer_of(
    rig: Rig,
    handle: Callable[..., Any] = write_down,
    backoff: tuple[float, ...] = (0.1, 0.1),
) -> Consumer[Connection]:
    return rig.consumer(handle, HEARD, backoff, "packs")


def said(
    rig: Rig, number: object, event_id: str = "", merchant: UUID | None = None, subject: str = ""
) -> Carried:
    payload = msgspec.Raw(msgspec.json.encode({"number": number}))
    subject = subject or HEARD.subject(merchant or rig.merchant)
    return Carried(event_id or str(uuid4()), subject, payload, SystemClock().now())


async def say(rig: Rig, *events: Carried, subject: str = "") -> None:
    one = parcel(subject or HEARD.subject(rig.merchant), events)
    await rig.publisher.publish(one.subject, one.payload, one.headers)


async def letters(rig: Rig) -> list[Any]:
    """A list that grows with the dead letters of this rig's shop."""
    dead: list[Any] = []

    async def bury(message: Any) -> None:
        dead.append(message)

    await rig.client.subscribe(f"dead.trap.{rig.merchant}", cb=bury)
    await rig.client.flush()
    return dead


async def test_a_bad_event_harms_none_of_its_message_and_dies_alone(rig: Rig) -> None:
    dead = await letters(rig)
    bad = said(rig, -1)
    await say(rig, said(rig, 1), bad, said(rig, 2))
    consumer = consumer_of(rig)
    await consumer.start()
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    assert await rig.written() == [1, 2]  # once each, although the message came three times
    (letter,) = dead
    assert letter.data == b'{"number":-1}'
    assert letter.headers["LN-Id"] == bad.id
    assert letter.headers["LN-Dead-Subject"] == HEARD.subject(rig.merchant)
    assert letter.headers["LN-Dead-Tries"] == "3"
    assert PACKED not in letter.headers
    await consumer.stop()


async def test_only_its_own_failures_let_an_event_die(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those of its neighbours nor that it had to wait while its shop was being moved."""
    monkeypatch.setattr("adapters.nats.consumer._MOVING_SECONDS", 0.05)
    dead = await letters(rig)
    seen: Counter[object] = Counter()
    moving = 6

    async def hear(unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
        if moving > seen["turns"]:
            seen["turns"] += 1
            raise ShopMoving([rig.merchant])
        if len(events) > 1:
            raise RuntimeError  # one by one
        number = events[0].body.number
        seen[number] += 1
        if (number, seen[number]) in {(1, 1), (1, 2), (2, 1)} or number < 0:
            raise ValueError
        await write_down(unit, events)

    await say(rig, said(rig, 1), said(rig, 2), said(rig, -1))
    consumer = consumer_of(rig, hear)
    await consumer.start()
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    assert await rig.written() == [1, 2]
    (letter,) = dead
    assert (letter.data, letter.headers["LN-Dead-Tries"]) == (b'{"number":-1}', "3")
    await consumer.stop()


async def test_what_cannot_be_read_is_put_aside_and_the_rest_applied(rig: Rig) -> None:
    dead = await letters(rig)
    odd = said(rig, "no")
    await say(rig, odd, said(rig, 1), said(rig, 2))
    await rig.publisher.publish(
        HEARD.subject(rig.merchant), b"[[", {MESSAGE_ID: str(uuid4()), PACKED: "2"}
    )
    consumer = consumer_of(rig, backoff=(60.0,))
    await consumer.start()
    await eventually(rig.written, lambda found: found == [1, 2])
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    assert sorted(each.data for each in dead) == [b"[[", b'{"number":"no"}']
    await consumer.stop()


async def test_a_message_that_comes_again_is_applied_once(rig: Rig) -> None:
    events = [said(rig, number) for number in range(5)]
    await say(rig, *events)
    await say(rig, *events[2:], said(rig, 5))  # some of it in another message
    consumer = consumer_of(rig)
    await consumer.start()
    assert await eventually(rig.written, lambda found: 5 in found) == list(range(6))
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    assert await rig.written() == list(range(6))
    await consumer.stop()


async def test_events_of_several_shops_each_go_to_their_own(rig: Rig) -> None:
    other = uuid4()
    await say(rig, said(rig, 1), said(rig, 9, merchant=other), subject=f"{HEARD.topic}.{MANY}")
    seen: list[tuple[UUID, int]] = []

    async def hear(unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
        seen.extend((event.merchant_id, event.body.number) for event in events)
        await write_down(unit, events)

    consumer = consumer_of(rig, hear)
    await consumer.start()
    await eventually(rig.written, lambda found: found == [1])
    assert sorted(seen) == sorted([(rig.merchant, 1), (other, 9)])
    for shop, number in ((rig.merchant, 1), (other, 9)):
        echoes = [each async for each in events_in(rig.js, "EVENTS", ECHOED.subject(shop))]
        assert [bytes(each.payload) for each in echoes] == [b'{"number":%d}' % number]
    await consumer.stop()


async def test_what_one_transaction_says_is_few_messages_and_each_event_is_heard(rig: Rig) -> None:
    async with rig.unit() as unit:
        for number in range(200):
            unit.emit(HEARD, Said(number=number), rig.merchant)
    consumer = consumer_of(rig)
    await consumer.start()
    assert await eventually(rig.written, lambda found: len(found) == 200) == list(range(200))
    info = await rig.js.stream_info("EVENTS", subjects_filter=HEARD.subject(rig.merchant))
    assert (info.state.subjects or {})[HEARD.subject(rig.merchant)] == 4
    await consumer.stop()


async def test_a_batch_is_not_much_more_than_was_asked_for(rig: Rig) -> None:
    """However many events a message holds: they are one transaction, and in memory at once."""
    batches: list[int] = []

    async def hear(unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
        batches.append(len(events))

    for start in range(0, 3_000, 60):
        await say(rig, *(said(rig, number) for number in range(start, start + 60)))
    consumer = consumer_of(rig, hear)
    await consumer.start()
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    assert sum(batches) == 3_000
    assert max(batches) < BATCH + 60
    assert len(batches) < 12  # and what waits is taken together
    await consumer.stop()


async def test_who_comes_at_once_goes_together(rig: Rig) -> None:
    packer = Packer(rig.publisher, 3)
    assert await packer.store(said(rig, 0))
    assert all(await asyncio.gather(*(packer.store(said(rig, n)) for n in range(1, 40))))
    info = await rig.js.stream_info("EVENTS", subjects_filter=HEARD.subject(rig.merchant))
    assert (info.state.subjects or {})[HEARD.subject(rig.merchant)] == 2
    held = [each async for each in events_in(rig.js, "EVENTS", HEARD.subject(rig.merchant))]
    assert [bytes(each.payload) for each in held] == [b'{"number":%d}' % n for n in range(40)]


async def test_a_repeat_is_stored_once_also_while_the_first_is_on_its_way(rig: Rig) -> None:
    packer = Packer(rig.publisher, 3)
    await asyncio.gather(packer.store(said(rig, 0)), packer.store(said(rig, 1, "again")))
    one = said(rig, 2, "twice")
    assert list(await asyncio.gather(packer.store(one), packer.store(one))) == [True, False]
    assert await packer.store(one) is False
    assert await packer.store(said(rig, 1, "again")) is False
    held = [each async for each in events_in(rig.js, "EVENTS", HEARD.subject(rig.merchant))]
    assert [each.id for each in held[1:]] == ["again", "twice"]


async def test_shops_share_a_message(rig: Rig) -> None:
    packer, other = Packer(rig.publisher, 3), uuid4()
    await asyncio.gather(
        packer.store(said(rig, 1)),
        packer.store(said(rig, 2, merchant=other)),
    )
    shared = f"{HEARD.topic}.{MANY}"
    held = [each async for each in events_in(rig.js, "EVENTS", shared)]
    assert [each.subject for each in held[-2:]] == [
        HEARD.subject(rig.merchant),
        HEARD.subject(other),
    ]


async def test_while_nothing_can_be_stored_everybody_is_told_and_may_try_again(
    tmp_path: Any,
) -> None:
    async with Servers(tmp_path, names=["nats", "postgres"]) as own, rig_on(own) as rig:
        packer = Packer(rig.publisher, 0.3)
        await own.kill("nats")
        events = [said(rig, number) for number in range(10)]
        outcomes = await asyncio.gather(*map(packer.store, events), return_exceptions=True)
        assert {type(each) for each in outcomes} == {Unavailable}
        await own.start("nats")
        await eventually(rig.js.account_info, ignore=[Exception])
        again = await asyncio.gather(*map(packer.store, events))
        consumer = consumer_of(rig)
        await consumer.start()
        # Some may have been stored by the first try after all: they are heard once all the same.
        assert await eventually(rig.written, lambda found: len(found) == 10) == list(range(10))
        assert again.count(True) + again.count(False) == 10
        await consumer.stop()


async def test_nobody_waits_for_what_failed_in_a_way_that_nobody_thought_of(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    packer, one = Packer(rig.publisher, 3), said(rig, 1)

    async def fail(*_: object) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(rig.publisher, "publish", fail)
        async with asyncio.timeout(1):
            with pytest.raises(Unavailable):
                await packer.store(one)
    assert await packer.store(one)


async def test_more_than_are_remembered_may_wait_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.nats.packer._REMEMBERED", 3)
    packer = Packer(rig.publisher, 3)
    async with asyncio.timeout(5):
        assert all(await asyncio.gather(*(packer.store(said(rig, n)) for n in range(10))))


async def test_whoever_goes_away_before_the_answer_takes_nothing_back(rig: Rig) -> None:
    packer = Packer(rig.publisher, 3)
    going = asyncio.create_task(packer.store(said(rig, 1, "gone")))
    staying = asyncio.create_task(packer.store(said(rig, 2, "stays")))
    await asyncio.sleep(0)  # both are in line
    going.cancel()
    assert await staying
    held = [each async for each in events_in(rig.js, "EVENTS", HEARD.subject(rig.merchant))]
    assert [each.id for each in held] == ["gone", "stays"]
