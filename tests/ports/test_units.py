"""One suite over every store's units of work: journal, idempotency keys, outbox, relay, sweeper."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from nats.js import JetStreamContext

from adapters.nats.relay import LEFT_BEHIND_AFTER
from adapters.telemetry.metrics import OUTBOX_TOO_LARGE
from contracts.points import ADJUSTED, PointsMoved
from domain.errors import DuplicateRequest, Unavailable
from ports.ledger import Ledger
from ports.unit import Unit, Units
from tests.conftest import eventually
from tests.ports.stores import Store
from tests.streams import events_in

AT = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
OPERATION = "points.v1.Test"


class OnPurpose(Exception):
    pass


def moved(number: int) -> PointsMoved:
    return PointsMoved(
        entry_id=uuid4(), customer_id=uuid4(), points=number, kind="adjust", source="adjust",
        source_ref="", spendable=0, pending=0, version=1, occurred_at=AT,
    )  # fmt: skip


async def heard(js: JetStreamContext, merchant: UUID) -> list[int]:
    """The points of all events of a shop, in their order in the stream."""
    return [
        msgspec.json.decode(each.payload)["points"]
        async for each in events_in(js, "EVENTS", ADJUSTED.subject(merchant))
    ]


async def test_what_a_transaction_says_is_published_after_it(store: Store) -> None:
    shop, other = uuid4(), uuid4()
    store.relay.start()
    try:
        async with store.units() as unit:
            for number in range(3):
                unit.emit(ADJUSTED, moved(number), shop)
            unit.emit(ADJUSTED, moved(9), other)
            assert await heard(store.js, shop) == []
        with suppress(OnPurpose):
            async with store.units() as unit:
                unit.emit(ADJUSTED, moved(7), shop)
                raise OnPurpose
        await eventually(lambda: heard(store.js, shop), lambda found: found == [0, 1, 2])
        await eventually(lambda: heard(store.js, other), lambda found: found == [9])
    finally:
        await store.relay.stop()
    assert await heard(store.js, shop) == [0, 1, 2]


async def test_what_a_crash_left_is_published_once(store: Store) -> None:
    """The relay does not run: as after a crash between the commit and publishing."""
    shop = uuid4()
    async with store.units() as unit:
        unit.emit(ADJUSTED, moved(1), shop)
        unit.emit(ADJUSTED, moved(2), shop)
    await store.relay.sweep()
    assert await heard(store.js, shop) == []  # it is too young to have been left behind
    later = store.swept_at(datetime.now(UTC) + LEFT_BEHIND_AFTER + timedelta(seconds=1))
    await later.sweep()
    assert await heard(store.js, shop) == [1, 2]


def as_large_as(size: int) -> PointsMoved:
    event = moved(99)
    room = size - len(msgspec.json.encode(event))
    return msgspec.structs.replace(event, source_ref="x" * room)


@pytest.mark.parametrize("more", [-50, 1])
async def test_an_event_that_no_message_holds_stays_and_holds_nobody_up(
    store: Store, more: int, caplog: pytest.LogCaptureFixture
) -> None:
    """NATS counts headers, too, and hangs up on who sends more than it takes."""
    shop, size = uuid4(), store.nats.max_payload + more
    async with store.units() as unit:
        unit.emit(ADJUSTED, moved(1), shop)
        unit.emit(ADJUSTED, as_large_as(size), shop)
        unit.emit(ADJUSTED, moved(2), shop)
    async with store.units() as unit:
        unit.emit(ADJUSTED, moved(3), shop)
    later = store.swept_at(datetime.now(UTC) + LEFT_BEHIND_AFTER + timedelta(seconds=1))
    for _ in range(2):
        await later.sweep()
        assert await heard(store.js, shop) == [1, 2, 3]
        assert OUTBOX_TOO_LARGE.labels("points")._value.get() == 1
    assert store.nats.stats["reconnects"] == 0
    (named,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert f"{ADJUSTED.subject(shop)} has {size} bytes" in named
    await store.empty_outbox()


async def test_what_was_too_large_goes_out_once_nats_takes_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.nats.relay._SWEPT_AT_ONCE", 2)
    shop, takes = uuid4(), store.nats.max_payload
    store.relay.start()
    store.nats._max_payload = 300_000
    for number in range(4):
        async with store.units() as unit:
            unit.emit(ADJUSTED, as_large_as(300_000), shop)
            unit.emit(ADJUSTED, moved(number), shop)
    await eventually(lambda: heard(store.js, shop), lambda found: found == [0, 1, 2, 3])
    await store.relay.stop()
    later = store.swept_at(datetime.now(UTC) + LEFT_BEHIND_AFTER + timedelta(seconds=1))
    await later.sweep()
    assert OUTBOX_TOO_LARGE.labels("points")._value.get() == 4
    store.nats._max_payload = takes
    await later.sweep()
    assert await heard(store.js, shop) == [0, 1, 2, 3, 99, 99, 99, 99]
    assert OUTBOX_TOO_LARGE.labels("points")._value.get() == 0


async def test_events_are_claimed_once(units: Units[Ledger]) -> None:
    ours, theirs = str(uuid4()), f"{uuid4()}:webhook"

    async def claim(*events: str, consumer: str = "one") -> set[str]:
        async with units() as unit:
            return await unit.journal.claim(consumer, events)

    with suppress(OnPurpose):
        async with units() as unit:
            assert await unit.journal.claim("one", [ours]) == {ours}
            assert await unit.journal.claim("one", [ours]) == set()
            raise OnPurpose
    assert await claim(ours, theirs) == {ours, theirs}
    assert await claim(ours, theirs) == set()
    assert await claim(ours, consumer="two") == {ours}


async def test_of_many_at_once_one_claims_an_event(units: Units[Ledger]) -> None:
    events = [str(uuid4()) for _ in range(5)]
    claimed: list[str] = []

    async def claim() -> None:
        async def work() -> set[str]:
            async with units() as unit:
                return await unit.journal.claim("race", events)

        claimed.extend(await insist(work))

    await asyncio.gather(*(claim() for _ in range(8)))
    assert sorted(claimed) == sorted(events)


async def insist(work: Callable[[], Awaitable[set[str]]]) -> set[str]:
    """As consumers do: what could not be done for now is done again."""
    while True:
        with suppress(Unavailable):
            return await work()


async def once(unit: Unit[Ledger], shop: UUID, key: str, request: bytes, answer: bytes) -> bytes:
    stored = await unit.journal.claim_key(shop, OPERATION, key, request)
    if stored is None:
        await unit.journal.keep_answer(shop, OPERATION, key, answer)
        return answer
    return stored


async def test_a_repeat_with_the_same_key_gets_the_same_answer(units: Units[Ledger]) -> None:
    shop = uuid4()
    with suppress(OnPurpose):
        async with units() as unit:
            await once(unit, shop, "k", b"input", b"lost")
            raise OnPurpose
    async with units() as unit:
        assert await once(unit, shop, "k", b"input", b"first") == b"first"
    async with units() as unit:
        assert await once(unit, shop, "k", b"input", b"second") == b"first"
        with pytest.raises(DuplicateRequest):
            await unit.journal.claim_key(shop, OPERATION, "k", b"other input")
    async with units() as unit:  # keys are a shop's own
        assert await once(unit, uuid4(), "k", b"other input", b"theirs") == b"theirs"


async def test_a_repeat_at_the_same_time_waits_for_the_answer(units: Units[Ledger]) -> None:
    shop = uuid4()
    done = 0

    async def ask() -> bytes:
        nonlocal done
        async with units() as unit:
            stored = await unit.journal.claim_key(shop, OPERATION, "k", b"input")
            if stored is not None:
                return stored
            await asyncio.sleep(0.05)  # the others come meanwhile; no store tells who waits
            done += 1
            await unit.journal.keep_answer(shop, OPERATION, "k", str(done).encode())
            return str(done).encode()

    assert set(await asyncio.gather(*(ask() for _ in range(10)))) == {b"1"}


async def test_who_fails_lets_the_next_one_have_the_key(units: Units[Ledger]) -> None:
    shop = uuid4()
    tries = 0

    async def ask() -> bytes:
        nonlocal tries
        async with units() as unit:
            stored = await unit.journal.claim_key(shop, OPERATION, "k", b"input")
            if stored is not None:
                return stored
            tries += 1
            if tries == 1:
                await asyncio.sleep(0.05)  # as above
                raise OnPurpose
            await unit.journal.keep_answer(shop, OPERATION, "k", b"done")
            return b"done"

    answers = await asyncio.gather(*(ask() for _ in range(4)), return_exceptions=True)
    assert sorted(map(repr, answers)) == ["OnPurpose()", "b'done'", "b'done'", "b'done'"]
    assert tries == 2
