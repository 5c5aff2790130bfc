"""Which shops work is about: those of its call or batch, whatever runs beside it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from adapters.nats.client import NatsMesh
from adapters.nats.connection import MESSAGE_ID
from adapters.nats.server import Endpoint, RpcServer
from adapters.nats.vouching import Vouching
from adapters.postgres.connection import Connection, text
from adapters.postgres.database import Database
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION, NO_SHOP, SHOP_ROLE, Scope, of_shops
from adapters.runtime.service import prepared_commands
from contracts.caller import Caller, NoShop, service_caller
from contracts.kit import INTERNAL, Operation, Request, Response
from domain.errors import Forbidden, Unavailable
from infra.embedded.servers import Servers
from ports.events import Received
from ports.tenancy import OtherShops, also_within, shops_at_hand, within
from ports.unit import Unit
from tests.conftest import eventually
from tests.mesh.trap import HEARD, Rig, Said, rig_on

VOUCHING = Vouching([b"a secret of everybody here"])
WRITE = text("INSERT INTO heard (merchant_id, number) VALUES (:shop, 1)")
SEEN = text("SELECT DISTINCT merchant_id FROM heard")


class Look(Request, frozen=True, kw_only=True):
    pass


class Shops(Response, frozen=True, kw_only=True):
    shops: tuple[UUID, ...]


LOOK = Operation("trap.v1.Look", Look, Shops, permission=INTERNAL, summary="")


@pytest.fixture
async def rig(servers: Servers) -> AsyncIterator[Rig]:
    async with rig_on(servers) as one:
        yield one


async def test_calls_at_the_same_time_are_each_about_their_own_shop(rig: Rig) -> None:
    both_wrote = asyncio.Barrier(2)

    async def look(caller: Caller, _: Look, __: str) -> Shops:
        async with rig.units() as unit:
            await unit.stores.execute(WRITE, {"shop": caller.tenant})
        await both_wrote.wait()
        async with rig.units() as unit:
            return Shops(shops=tuple((await unit.stores.execute(SEEN)).scalars()))

    server = RpcServer(rig.client, "trap", [Endpoint(LOOK, look)], VOUCHING)
    await server.start()
    mesh = NatsMesh(rig.client, VOUCHING)
    one, other = uuid4(), uuid4()
    found = await asyncio.gather(
        *(mesh.call(LOOK, Look(), service_caller("test", shop)) for shop in (one, other))
    )
    assert [each.shops for each in found] == [(one,), (other,)]
    await server.stop()


async def test_a_call_for_no_shop_opens_no_transaction_of_one(rig: Rig) -> None:
    async def look(_: Caller, __: Look, ___: str) -> Shops:
        async with rig.units():
            raise AssertionError

    server = RpcServer(rig.client, "trap", [Endpoint(LOOK, look)], VOUCHING)
    await server.start()
    with pytest.raises(Forbidden):
        await NatsMesh(rig.client, VOUCHING).call(LOOK, Look(), service_caller("test"))
    await server.stop()


async def test_a_transaction_is_about_more_shops_where_that_is_said_and_nowhere_else(
    rig: Rig,
) -> None:
    own, shared, stranger = uuid4(), uuid4(), uuid4()
    async with rig.database.transaction(ACROSS_SHOPS) as connection:
        for shop in (own, shared, stranger):
            await connection.execute(WRITE, {"shop": shop})

    async def seen() -> set[UUID]:
        async with rig.units() as unit:
            return set((await unit.stores.execute(SEEN)).scalars())

    with within([own]):
        with also_within([shared]):
            assert await seen() == {own, shared}
        with also_within([]):
            assert await seen() == {own}
        assert await seen() == {own}
    with pytest.raises(NoShop), also_within([shared]):
        raise AssertionError
    with also_within([]), pytest.raises(NoShop):
        shops_at_hand()


async def test_a_command_begins_again_about_other_shops_and_its_finish_is_not(rig: Rig) -> None:
    own, shared = uuid4(), uuid4()
    at_hand: list[frozenset[UUID]] = []

    async def prepare(_: Caller, __: Look) -> list[UUID]:
        return []

    async def look(unit: Unit[Connection], _: Caller, __: Look, others: list[UUID]) -> Shops:
        at_hand.append(shops_at_hand())
        for shop in at_hand[-1]:
            await unit.stores.execute(WRITE, {"shop": shop})
        if not others:
            raise OtherShops
        return Shops(shops=tuple((await unit.stores.execute(SEEN)).scalars()))

    async def ask(_: Caller, prepared: list[UUID]) -> list[UUID]:
        at_hand.append(shops_at_hand())
        prepared.append(shared)
        return prepared

    async def finish(_: Caller, answer: Shops, __: list[UUID]) -> Shops:
        at_hand.append(shops_at_hand())
        return answer

    endpoint = prepared_commands(LOOK, rig.units, prepare, look, finish, others=ask)
    server = RpcServer(rig.client, "trap", [endpoint], VOUCHING)
    await server.start()
    found = await NatsMesh(rig.client, VOUCHING).call(LOOK, Look(), service_caller("test", own))
    await server.stop()
    # The first try has written for its own shop, and nothing of it has stayed.
    assert sorted(found.shops) == sorted((own, shared))
    assert at_hand == [{own}, {own}, {own, shared}, {own}]


async def test_a_batch_is_about_the_shops_of_its_events(rig: Rig) -> None:
    abouts: list[set[UUID]] = []
    stranger = uuid4()
    async with rig.database.transaction(ACROSS_SHOPS) as connection:
        await connection.execute(WRITE, {"shop": stranger})

    async def write(unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
        shops = {event.merchant_id for event in events}
        assert shops_at_hand() == shops
        for shop in shops:
            await unit.stores.execute(WRITE, {"shop": shop})
        assert set((await unit.stores.execute(SEEN)).scalars()) == shops
        abouts.append(shops)
        await unit.stores.execute(
            text("UPDATE heard SET number = 2 WHERE merchant_id = :shop"), {"shop": stranger}
        )

    first, second = {uuid4(), uuid4()}, {uuid4()}
    consumer = rig.consumer(write, name=f"scope-{uuid4()}")
    for batch in (first, second):
        for shop in batch:
            body = msgspec.json.encode(Said(number=1))
            await rig.publisher.publish(HEARD.subject(shop), body, {MESSAGE_ID: str(uuid4())})
        if batch is first:
            await consumer.start()

        async def done(batch: set[UUID] = batch) -> bool:
            return batch <= set().union(*abouts)

        await eventually(done)
    assert all(not about & first or not about & second for about in abouts)
    await consumer.stop()
    async with rig.database.transaction(of_shops([stranger])) as connection:
        assert (await connection.execute(text("SELECT number FROM heard"))).scalar_one() == 1


async def test_a_handler_cannot_write_for_a_shop_that_is_not_in_its_batch(rig: Rig) -> None:
    stranger = uuid4()
    failed: list[str] = []

    async def write(unit: Unit[Connection], _: Sequence[Received[Said]]) -> None:
        try:
            await unit.stores.execute(WRITE, {"shop": stranger})
        except Exception as error:
            failed.append(str(error))
            raise

    consumer = rig.consumer(write, name=f"scope-{uuid4()}", backoff=())
    await rig.say(1)
    await consumer.start()

    async def given_up() -> bool:
        return bool(failed) and await consumer.measure_lag() == 0

    await eventually(given_up)
    assert all("row-level security" in each for each in failed)
    await consumer.stop()


async def test_what_a_block_is_about_ends_with_it() -> None:
    one, other = uuid4(), uuid4()
    with within([one]):
        with within([other]):
            assert shops_at_hand() == {other}
        assert shops_at_hand() == {one}
    with pytest.raises(NoShop):
        shops_at_hand()


async def test_a_connection_forgets_the_shops_of_its_last_transaction(
    rig: Rig, environment: dict[str, str]
) -> None:
    database = Database(environment["LOYALNEST_POSTGRES_URL"], "trap", pool=1)

    async def seen() -> set[UUID]:
        async with database.transaction(NO_SHOP) as connection:
            return set((await connection.execute(SEEN)).scalars())

    async with database.transaction(of_shops([rig.merchant])) as connection:
        await connection.execute(WRITE, {"shop": rig.merchant})
    assert await seen() == set()
    for scope in (ACROSS_SHOPS, of_shops([rig.merchant]), MIGRATION):
        sees = asyncio.Event()

        async def hang(scope: Scope = scope, sees: asyncio.Event = sees) -> None:
            async with database.transaction(scope) as connection:
                assert rig.merchant in set((await connection.execute(SEEN)).scalars())
                sees.set()
                await connection.execute(text("SELECT pg_sleep(30)"))

        async def fail(scope: Scope = scope) -> None:
            async with database.transaction(scope) as connection:
                await connection.execute(SEEN)
                raise ZeroDivisionError

        hanging = asyncio.create_task(hang())
        await sees.wait()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert await seen() == set()
        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await seen() == set()
    # Also around Database.transaction there is nothing to see.
    async with database.apart(role=SHOP_ROLE) as connection:
        assert (await connection.execute(SEEN)).all() == []
    await database.close()


async def test_a_transaction_that_could_not_begin_spoils_no_other(
    rig: Rig, environment: dict[str, str]
) -> None:
    database = Database(environment["LOYALNEST_POSTGRES_URL"], "trap", pool=1)
    with pytest.raises(Unavailable):
        async with database.transaction(Scope("SET LOCAL ROLE nobody;")) as connection:
            await connection.execute(SEEN)
    async with database.transaction(of_shops([rig.merchant])) as connection:
        assert (await connection.execute(SEEN)).all() == []
    await database.close()


async def test_a_transaction_that_began_too_late_is_not_gone_on_with(
    rig: Rig, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(environment["LOYALNEST_POSTGRES_URL"], "trap", pool=1)
    execute = asyncpg.Connection.execute
    late = True

    async def execute_late(self: asyncpg.Connection, query: str, **options: Any) -> str:
        nonlocal late
        done = await execute(self, query, **options)
        if late and query.startswith("BEGIN"):
            late = False
            raise TimeoutError  # the server has begun all the same
        return done

    await database.ready()
    monkeypatch.setattr(asyncpg.Connection, "execute", execute_late)
    one, other = uuid4(), uuid4()
    with pytest.raises(Unavailable):
        async with database.transaction(of_shops([one])) as connection:
            await connection.execute(SEEN)
    async with database.transaction(of_shops([other])) as connection:
        shops = await connection.execute(text("SELECT current_setting('loyalnest.merchants')"))
        assert shops.scalar_one() == f"{{{other.hex}}}"
    await database.close()
