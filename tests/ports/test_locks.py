"""Locks across processes: one inside at a time, and none is left behind, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.postgres import locks
from adapters.postgres.connection import Statement, text
from adapters.postgres.database import Database
from adapters.postgres.locks import AdvisoryLocks
from adapters.postgres.tenancy import MIGRATION
from domain.errors import Unavailable
from tests.conftest import eventually

_HELD = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
_WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
_BREAK = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    one = Database(environment["LOYALNEST_POSTGRES_URL"], "locks", pool=2)
    await one.make()
    yield one
    await one.close()


async def count(database: Database, what: Statement) -> int:
    async with database.transaction(MIGRATION) as connection:
        found = await connection.execute(what)
        return int(found.scalar_one())


async def test_one_is_inside_at_a_time_in_all_processes(database: Database) -> None:
    inside = 0
    most = 0
    order: list[int] = []

    async def work(process: AdvisoryLocks, number: int) -> None:
        nonlocal inside, most
        async with process("a"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    processes = [AdvisoryLocks(database), AdvisoryLocks(database)]
    await asyncio.gather(*(work(processes[number % 2], number) for number in range(12)))
    assert most == 1
    assert sorted(order) == list(range(12))
    assert await count(database, _HELD) == 0


async def test_other_names_do_not_wait(database: Database) -> None:
    one, other = AdvisoryLocks(database), AdvisoryLocks(database)
    async with one("a"), one("b"), other("c"):
        assert await count(database, _HELD) == 3


@asynccontextmanager
async def waiting_for(database: Database, name: str) -> AsyncIterator[asyncio.Task[None]]:
    """Somebody in another process who wants a lock that is held, and waits in the database."""

    async def want() -> None:
        async with AdvisoryLocks(database)(name):
            pass

    task = asyncio.create_task(want())
    await eventually(lambda: count(database, _WAITING), lambda waiting: waiting == 1)
    yield task


async def test_who_gives_up_waiting_leaves_nothing_behind(database: Database) -> None:
    one = AdvisoryLocks(database)
    async with one("a"):
        async with waiting_for(database, "a") as waiting:
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await eventually(lambda: count(database, _WAITING), lambda found: found == 0)
    async with one("a"):
        assert await count(database, _HELD) == 1


async def test_an_error_inside_frees_the_lock(database: Database) -> None:
    one = AdvisoryLocks(database)
    with pytest.raises(ZeroDivisionError):
        async with one("a"):
            raise ZeroDivisionError
    async with AdvisoryLocks(database)("a"):
        pass


async def test_a_holder_that_dies_frees_the_lock(database: Database) -> None:
    """Its connection ends with it, which is what the database sees of a kill -9."""
    async with AdvisoryLocks(database)("a"), waiting_for(database, "a") as waiting:
        assert await count(database, _BREAK) == 1
        await asyncio.wait_for(waiting, 5)
    # The one that was cut off notices nothing: what it saves has to be right without the lock.


async def test_nobody_waits_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AdvisoryLocks(database)("a"):
        monkeypatch.setattr(locks, "_PATIENCE", 100)
        with pytest.raises(Unavailable):
            async with AdvisoryLocks(database)("a"):
                pass
    async with AdvisoryLocks(database)("a"):
        pass


async def test_without_a_database_there_is_no_lock() -> None:
    nowhere = Database("postgresql://nobody:nothing@127.0.0.1:1", "locks")
    with pytest.raises(Unavailable):
        async with AdvisoryLocks(nowhere)("a"):
            pass
    await nowhere.close()
