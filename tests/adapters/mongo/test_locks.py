"""Locks on MongoDB: they wait, nobody's last for ever, and nothing is written without them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from adapters.mongo.collections import OF_POINTS, PROGRAMS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.locks import LEASE, ORDER, WALLET, LockName
from adapters.mongo.scope import ACROSS_SHOPS
from adapters.mongo.transaction import Transaction
from adapters.system import SystemClock
from domain.errors import Unavailable
from infra.embedded.mongo import MongoServer


@dataclass
class Hands:
    """A clock that is moved by hand."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@pytest.fixture
async def processes(mongo: MongoServer) -> AsyncIterator[list[MongoDatabase]]:
    """Two processes of one service, as far as the locks are concerned."""
    found = [MongoDatabase(mongo.url, "locks", OF_POINTS) for _ in range(2)]
    await found[0].migrate()
    yield found
    for each in found:
        await each.close()


def put(transaction: Transaction, shop: UUID, version: int) -> None:
    document = {"merchant_id": shop, "version": version, "settings": "{}"}
    transaction.put(PROGRAMS, document)


async def version(database: MongoDatabase, shop: UUID) -> int | None:
    found = await database.collection(PROGRAMS.name).find_one({"merchant_id": shop})
    return None if found is None else found["version"]


async def locks_left(database: MongoDatabase, shop: UUID) -> int:
    return await database.collection("locks").count_documents({"merchant_id": shop})


async def test_processes_wait_for_each_other(processes: list[MongoDatabase]) -> None:
    shop = uuid4()
    name = LockName(WALLET, shop, "w")
    inside = 0

    async def add(database: MongoDatabase) -> None:
        nonlocal inside
        async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
            await transaction.lock([name])
            inside += 1
            assert inside == 1
            found = await transaction.find(PROGRAMS, {shop: {}})
            put(transaction, shop, 1 + (found[0]["version"] if found else 0))
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(add(processes[n % 2]) for n in range(30)))
    assert await version(processes[0], shop) == 30
    assert await locks_left(processes[0], shop) == 0


async def test_what_a_crash_left_locked_is_taken_over(processes: list[MongoDatabase]) -> None:
    first, second = processes
    shop = uuid4()
    name = LockName(WALLET, shop, "w")
    long_ago = Hands(datetime.now(UTC) - LEASE - timedelta(seconds=1))
    held = AsyncExitStack()
    dead = await held.enter_async_context(first.transaction(ACROSS_SHOPS, long_ago))
    await dead.lock([name])
    put(dead, shop, 1)
    async with second.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        await transaction.lock([name])
        put(transaction, shop, 2)
    # It was not dead, only slow: what it read may not be so any more, so it writes nothing.
    with pytest.raises(Unavailable):
        await held.aclose()
    assert await version(first, shop) == 2
    assert await locks_left(first, shop) == 0


async def test_an_error_and_a_cancelled_call_give_locks_back(
    processes: list[MongoDatabase],
) -> None:
    first, second = processes
    shop = uuid4()
    name = LockName(WALLET, shop, "w")
    locked = asyncio.Event()

    async def hold() -> None:
        async with first.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
            await transaction.lock([name])
            put(transaction, shop, 1)
            locked.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await locked.wait()
    waiting = asyncio.create_task(_take(second, name))
    assert await asyncio.wait([waiting], timeout=0.1) == (set(), {waiting})
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await waiting
    await _take(first, name)
    assert await version(first, shop) is None


async def _take(database: MongoDatabase, name: LockName) -> None:
    async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        await transaction.lock([name])


@pytest.mark.parametrize("apart", [True, False], ids=["two processes", "one process"])
async def test_two_who_want_what_the_other_has_do_not_wait_for_ever(
    processes: list[MongoDatabase], apart: bool
) -> None:
    shop = uuid4()
    names = [LockName(ORDER, shop, "o"), LockName(WALLET, shop, "w")]
    both_have_one = asyncio.Barrier(2)

    async def take(database: MongoDatabase, first: LockName, then: LockName) -> bool:
        try:
            async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
                await transaction.lock([first])
                await both_have_one.wait()
                await transaction.lock([then])
        except Unavailable:
            return False
        return True

    one, other = processes if apart else (processes[0], processes[0])
    async with asyncio.timeout(5):
        in_turn, out_of_turn = await asyncio.gather(take(one, *names), take(other, *names[::-1]))
    assert in_turn
    assert not out_of_turn  # who went out of turn gives way
    assert await locks_left(one, shop) == 0


async def test_free_ones_are_taken_and_others_passed_over(processes: list[MongoDatabase]) -> None:
    first, second = processes
    shop = uuid4()
    names = [LockName(WALLET, shop, str(number)) for number in range(4)]
    async with first.transaction(ACROSS_SHOPS, SystemClock()) as holder:
        await holder.lock(names[:1])
        async with second.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
            assert list(await transaction.lock_free(names)) == names[1:]
            assert list(await transaction.lock_free(names[1:])) == names[1:]
        async with first.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
            assert list(await transaction.lock_free(names)) == names[1:]


async def test_who_is_cancelled_while_they_commit_leaves_nothing_open(
    processes: list[MongoDatabase],
) -> None:
    """A transaction that is left open at the server holds what it wrote for a minute and more."""
    database, shop = processes[0], uuid4()
    names = [LockName(WALLET, shop, str(number)) for number in range(20)]
    committing = asyncio.Event()

    async def write() -> None:
        async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
            await transaction.lock(names)
            put(transaction, shop, 1)
            committing.set()

    async with asyncio.timeout(50):
        for number in range(300):
            committing.clear()
            task = asyncio.create_task(write())
            await committing.wait()
            for _ in range(number % 60):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    status = await database._client.admin.command("serverStatus")
    assert status["transactions"]["currentOpen"] == 0
    assert await locks_left(database, shop) == 0
    assert await version(database, shop) == 1
