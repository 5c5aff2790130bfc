"""Events over real NATS and PostgreSQL: exactly once in effect, whatever goes wrong in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from adapters.nats.connection import MESSAGE_ID
from adapters.nats.outbox import read_outbox
from adapters.nats.packs import unpacked
from adapters.postgres.connection import Connection, text
from adapters.postgres.database import MIGRATIONS, Database
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION
from adapters.runtime.settings import Settings
from contracts.kit import Event
from domain.errors import Unavailable
from infra.embedded.servers import Servers
from ports.events import Outgoing, Received
from ports.unit import Unit
from tests.conftest import eventually
from tests.mesh.trap import ECHOED, HEARD, NOWHERE, Rig, Said, rig_on, write_down


@pytest.fixture
async def rig(servers: Servers) -> AsyncIterator[Rig]:
    async with rig_on(servers) as one:
        yield one


async def test_a_repeat_does_nothing_also_after_the_streams_window(rig: Rig) -> None:
    consumer = rig.consumer()
    await consumer.start()
    # The stream drops the second by its message id; the third is past the window, so to speak:
    # another message id for the same event, which only the inbox knows.
    await rig.say(1, "m1" + str(rig.merchant), "e1" + str(rig.merchant))
    await rig.say(1, "m1" + str(rig.merchant), "e1" + str(rig.merchant))
    await rig.say(1, "m2" + str(rig.merchant), "e1" + str(rig.merchant))
    await rig.say(2)
    assert await eventually(rig.written, lambda found: 2 in found) == [1, 2]
    await consumer.stop()


async def test_two_replicas_share_the_work_and_double_nothing(rig: Rig) -> None:
    one, two = rig.consumer(), rig.consumer()
    await one.start()
    await two.start()
    for number in range(200):
        await rig.say(number)
    await eventually(rig.written, lambda found: len(found) >= 200)
    assert await rig.written() == list(range(200))
    await one.stop()
    await two.stop()


async def test_a_bad_event_harms_no_neighbour_and_ends_as_a_dead_letter(rig: Rig) -> None:
    dead: list[Any] = []

    async def bury(message: Any) -> None:
        dead.append(message)

    await rig.client.subscribe(f"dead.trap.{rig.merchant}", cb=bury)
    for number in (1, -1, 2):
        await rig.say(number)
    consumer = rig.consumer()
    await consumer.start()
    assert await eventually(rig.written, lambda found: len(found) == 2) == [1, 2]

    async def buried() -> int:
        return len(dead)

    await eventually(buried)
    headers = dead[0].headers
    assert headers["LN-Dead-Tries"] == "3"
    assert headers["LN-Dead-Reason"] == "ValueError"  # its text might name somebody
    assert msgspec.json.decode(dead[0].data, type=Said).number == -1
    assert await consumer.measure_lag() == 0
    await consumer.stop()


async def test_a_consumer_that_the_server_has_lost_is_made_again(rig: Rig) -> None:
    asked: list[str] = []
    publish = rig.client.publish

    async def count(subject: str, *arguments: Any, **named: Any) -> None:
        asked.append(subject)
        await publish(subject, *arguments, **named)

    consumer = rig.consumer(name="lost")
    await consumer.start()
    await rig.say(1)
    await eventually(rig.written, lambda found: found == [1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig.client, "publish", count)
        await rig.js.delete_consumer(consumer.stream, "lost-events")
        await rig.say(2)
        # What was applied comes again from the beginning of the stream, and is known.
        assert await eventually(rig.written, lambda found: 2 in found) == [1, 2]
    assert len(asked) < 100  # nor was anybody asked without a pause meanwhile
    await consumer.stop()


async def test_an_unreadable_event_is_put_aside_at_once(rig: Rig) -> None:
    consumer = rig.consumer(backoff=(60.0,))
    await consumer.start()
    await rig.publisher.publish(
        HEARD.subject(rig.merchant), b'{"number": "no"}', {MESSAGE_ID: str(uuid4())}
    )
    await rig.say(5)
    await eventually(rig.written, lambda found: found == [5])
    await eventually(consumer.measure_lag, lambda lag: lag == 0)
    await consumer.stop()


async def test_what_a_crash_left_in_the_outbox_is_published_once(rig: Rig) -> None:
    heard: list[bytes] = []

    async def listen(message: Any) -> None:
        heard.extend(bytes(each.payload) for each in unpacked(message))

    await rig.client.subscribe(ECHOED.subject(rig.merchant), cb=listen)
    # A crash between commit and publish: the row is there, nobody has been told of it.
    async with rig.database.transaction(ACROSS_SHOPS) as connection:
        await connection.execute(
            text(
                "INSERT INTO outbox (id, at, events)"
                " VALUES (:id, now() - interval '1 minute', :events)"
            ),
            {
                "id": uuid4(),
                "events": f'[["{uuid4()}","{ECHOED.subject(rig.merchant)}",{{"number":7}},'
                '"2026-11-20T08:00:00+00:00","",""]]',
            },
        )
    assert await eventually(rig.left_in_outbox, lambda left: left == 0) == 0
    assert heard == [b'{"number":7}']


async def test_what_the_stream_did_not_take_stays_in_the_outbox_alone(rig: Rig) -> None:
    heard: list[bytes] = []

    async def listen(message: Any) -> None:
        heard.extend(bytes(each.payload) for each in unpacked(message))

    await rig.client.subscribe(ECHOED.subject(rig.merchant), cb=listen)
    async with rig.unit() as unit:
        unit.emit(ECHOED, Said(number=1), rig.merchant)
        unit.emit(NOWHERE, Said(number=2), rig.merchant)
        unit.emit(ECHOED, Said(number=3), rig.merchant)

    async def left() -> list[str]:
        async with rig.database.transaction(ACROSS_SHOPS) as connection:
            rows = await connection.execute(text("SELECT id, at, events FROM outbox"))
            return [
                event.subject
                for row in rows
                for event in read_outbox(row.id, row.at, row.events).events
            ]

    assert await eventually(left, lambda found: len(found) == 1) == [NOWHERE.subject(rig.merchant)]
    assert heard == [b'{"number":1}', b'{"number":3}']
    async with rig.database.transaction(ACROSS_SHOPS) as connection:
        await connection.execute(text("DELETE FROM outbox"))


async def test_what_waited_in_the_outbox_survives_its_migration(
    environment: dict[str, str],
) -> None:
    database = Database(Settings.from_environment(environment).postgres_url, f"m{uuid4().hex[:8]}")
    await database.make()
    first = MIGRATIONS / "mesh" / "0001_journal.py"
    at = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
    try:
        async with database.transaction(MIGRATION) as connection:
            await connection.run(_written(first))
            await connection.execute(
                text(
                    "INSERT INTO outbox (id, subject, payload, at, trace, actor)"
                    " VALUES (:id, 'evt.a.b', :payload, :at, 't', 'merchant:1')"
                ),
                {"id": UUID(int=7), "payload": '{"text":"\\"ä\\" 1"}', "at": at},
            )
            await connection.execute(
                text("CREATE TABLE mesh_version (version_num varchar(32) PRIMARY KEY)")
            )
            await connection.execute(text("INSERT INTO mesh_version VALUES ('0001')"))
        await database.migrate()
        async with database.transaction(ACROSS_SHOPS) as connection:
            row = (await connection.execute(text("SELECT id, at, events FROM outbox"))).one()
        (event,) = read_outbox(row.id, row.at, row.events).events
        assert event == Outgoing(
            id=str(UUID(int=7)),
            subject="evt.a.b",
            payload=b'{"text":"\\"\xc3\xa4\\" 1"}',
            at=at,
            trace="t",
            actor="merchant:1",
        )
    finally:
        await database.close()


def _written(path: Path) -> str:
    """A migration as SQL."""
    spec = spec_from_file_location("first", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sql = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": sql}
    )
    with Operations.context(context):
        module.upgrade()
    return sql.getvalue()


async def test_a_failed_transaction_says_nothing(rig: Rig) -> None:
    with pytest.raises(ZeroDivisionError):
        await _fail(rig)
    assert await rig.written() == []
    assert await rig.left_in_outbox() == 0


async def _fail(rig: Rig) -> None:
    async with rig.unit() as unit:
        await unit.stores.execute(
            text("INSERT INTO heard (merchant_id, number) VALUES (:m, 1)"), {"m": rig.merchant}
        )
        unit.emit(ECHOED, Said(number=1), rig.merchant)
        raise ZeroDivisionError


@pytest.mark.parametrize("state", ["53100", "25006"])  # no room on its disk; it may only be read
async def test_what_a_database_cannot_do_now_is_no_fault_of_an_event(rig: Rig, state: str) -> None:
    dead: list[Any] = []

    async def bury(message: Any) -> None:
        dead.append(message)

    await rig.client.subscribe(f"dead.trap.{rig.merchant}", cb=bury)
    turns = 0

    async def hear(unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
        nonlocal turns
        turns += 1
        if turns < 4:
            fail = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
            await unit.stores.execute(text(fail))
        await write_down(unit, events)

    event = Event(f"trap.unable{state}", Said, "trap", "")
    # One real failure would make a dead letter.
    consumer = rig.consumer(hear, event, backoff=(), name=f"unable{state}")
    body = msgspec.json.encode(Said(number=1))
    await rig.publisher.publish(event.subject(rig.merchant), body, {MESSAGE_ID: str(uuid4())})
    await consumer.start()
    assert await eventually(rig.written) == [1]
    assert not dead
    await consumer.stop()


async def test_the_relay_goes_on_whatever_goes_wrong_with_an_outbox(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = asyncio.Event()

    async def listen(message: Any) -> None:
        if b"2" in message.data:
            heard.set()

    async def fail(*_: object) -> None:
        failed.set()
        raise ZeroDivisionError

    failed = asyncio.Event()
    await rig.client.subscribe(ECHOED.subject(rig.merchant), cb=listen)
    with monkeypatch.context() as patch:
        patch.setattr(PostgresOutbox, "remove", fail)
        async with rig.unit() as unit:
            unit.emit(ECHOED, Said(number=1), rig.merchant)
        await failed.wait()
    async with rig.unit() as unit:
        unit.emit(ECHOED, Said(number=2), rig.merchant)
    async with asyncio.timeout(4):  # sooner than it is swept
        await heard.wait()
    await eventually(rig.left_in_outbox, lambda left: left == 0)


async def test_events_are_held_while_the_database_is_away(tmp_path: Path) -> None:
    async with Servers(tmp_path, names=["nats", "postgres"]) as own, rig_on(own) as rig:
        consumer = rig.consumer(backoff=())  # one real failure would make a dead letter
        await consumer.start()
        await rig.say(1)
        await eventually(rig.written, lambda found: found == [1])
        await own.kill("postgres")
        for number in range(2, 20):
            await rig.say(number)
        with pytest.raises(Unavailable):
            await rig.written()
        await own.start("postgres")
        await eventually(
            rig.written, lambda found: found == list(range(1, 20)), ignore=[Unavailable]
        )
        await consumer.stop()


async def test_nothing_is_lost_when_nats_is_killed(tmp_path: Path) -> None:
    async with Servers(tmp_path, names=["nats", "postgres"]) as own, rig_on(own) as rig:
        consumer = rig.consumer()
        await consumer.start()
        for number in range(50):
            await rig.say(number)
        await own.kill("nats")
        # What is committed now can be published only later.
        async with rig.unit() as unit:
            unit.emit(HEARD, Said(number=50), rig.merchant)
        with pytest.raises(Unavailable):
            await rig.publisher.publish(HEARD.subject(rig.merchant), b"{}", {MESSAGE_ID: "x"}, 0.3)
        await own.start("nats")
        await eventually(
            rig.written,
            lambda found: sorted(set(found)) == found and found[-1:] == [50] and len(found) == 51,
            ignore=[Unavailable],
        )
        await consumer.stop()


async def test_stopping_gives_back_what_was_only_fetched(rig: Rig) -> None:
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def slowly(unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
        begun.set()
        await go_on.wait()
        await write_down(unit, events)

    slow = rig.consumer(slowly)
    await rig.say(1)
    await slow.start()
    await begun.wait()
    for number in range(2, 10):
        await rig.say(number)
    stopping = asyncio.create_task(slow.stop())
    go_on.set()
    await stopping
    fast = rig.consumer()
    await fast.start()
    # At once, not after the 30 seconds the server would wait for an acknowledgement.
    assert await eventually(rig.written, lambda found: len(found) == 9) == list(range(1, 10))
    await fast.stop()
