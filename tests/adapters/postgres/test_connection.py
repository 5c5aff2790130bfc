"""What a transaction says to PostgreSQL, what comes back, and what becomes of its connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from adapters.postgres.connection import Connection, DatabaseError, Line, NotOneRow, dial, text
from adapters.postgres.database import Database
from adapters.postgres.pool import Pool
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION, NO_SHOP
from domain.errors import Unavailable
from infra.embedded.servers import Servers
from tests.conftest import eventually

SECRET = "ada@example.com"
THINGS = """
    CREATE TEMPORARY TABLE things (id int PRIMARY KEY, name text) ON COMMIT DROP;
    INSERT INTO things SELECT n, 'x' || n FROM generate_series(1, 3) AS n
"""
PID = text("SELECT pg_backend_pid()")
SLEEP = text("SELECT pg_sleep(30)")
FAIL = text("SELECT 1 / 0")
NAMES = text("SELECT name FROM things ORDER BY id")
RENAME = text("UPDATE things SET name = :name WHERE id = :id")


@pytest.fixture
async def url(servers: Servers) -> str:
    return servers.environment()["LOYALNEST_POSTGRES_URL"]


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """There is one connection: whoever comes next gets what was left."""
    one = Database(url, "connection", pool=1)
    await one.make()
    await one.migrate()
    yield one
    await one.close()


async def pid(database: Database) -> int:
    async with database.transaction(NO_SHOP) as connection:
        return int((await connection.execute(PID)).scalar_one())


async def backends(database: Database, like: str = "%") -> int:
    """How many connections to this database last said something ``like`` this, but for ours."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND query LIKE :like"
    )
    async with database.apart() as connection:
        return int((await connection.execute(query, {"like": like})).scalar_one())


async def attempt(database: Database, use: Callable[[Connection], Awaitable[object]]) -> Connection:
    async with database.transaction(NO_SHOP) as connection:
        await use(connection)
    return connection


async def test_values_come_back_as_they_went(database: Database) -> None:
    values = {
        "id": UUID(int=7), "number": 2**62, "name": "it's :not a $1 % name 😀", "yes": True,
        "amount": Decimal("1.50"), "at": datetime(2026, 5, 1, 12, tzinfo=UTC), "many": [1, 2],
        "raw": b"\x00\xff", "none": None, "json": '{"a": [1, "ä"]}',
    }  # fmt: skip
    types = {
        "id": "uuid", "number": "bigint", "name": "text", "yes": "boolean", "amount": "numeric",
        "at": "timestamptz", "many": "int[]", "raw": "bytea", "none": "text", "json": "jsonb",
    }  # fmt: skip
    told = ", ".join(f"CAST(:{name} AS {kind}) AS {name}" for name, kind in types.items())
    query = text(f"SELECT {told}, CAST(:json AS json) AS plain")
    async with database.transaction(NO_SHOP) as connection:
        row = (await connection.execute(query, values | {"unused": 1})).one()
    json = {"a": [1, "ä"]}
    assert row._asdict() == values | {"json": json, "plain": json}
    assert str(row.amount) == "1.50"


async def test_rows_are_asked_for_by_name_or_place(database: Database) -> None:
    async with database.transaction(NO_SHOP) as connection:
        await connection.run(THINGS)
        found = await connection.execute(text("SELECT id, name FROM things ORDER BY id"))
        assert [(row.id, row[1]) for row in found] == [(1, "x1"), (2, "x2"), (3, "x3")]
        assert found.scalars() == [1, 2, 3]
        assert [name for _, name in found.all()] == ["x1", "x2", "x3"]
        odd = await connection.execute(text("SELECT 1 AS same, 2 AS same, 3, 4 AS count"))
        assert (tuple(odd.one()), odd.one().same, odd.one().count) == ((1, 2, 3, 4), 1, 4)


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SELECT * FROM things", 3),
        ("SELECT FROM things", 3),
        ("SELECT * FROM things WHERE id > 5", 0),
        ("INSERT INTO things VALUES (7, 'y'), (8, 'z')", 2),
        ("INSERT INTO things VALUES (1, 'y') ON CONFLICT DO NOTHING", 0),
        ("UPDATE things SET name = 'y' WHERE id < 3 RETURNING id", 2),
        ("DELETE FROM things WHERE id = 1", 1),
        ("SET LOCAL work_mem = '5MB'", 0),
    ],
)
async def test_how_many_rows_it_was(database: Database, sql: str, count: int) -> None:
    async with database.transaction(NO_SHOP) as connection:
        await connection.run(THINGS)
        assert (await connection.execute(text(sql))).rowcount == count


async def test_one_row_is_neither_none_nor_two(database: Database) -> None:
    rows = text("SELECT n FROM generate_series(1, CAST(:many AS int)) AS n")
    async with database.transaction(NO_SHOP) as connection:
        none, one, two = [await connection.execute(rows, {"many": many}) for many in range(3)]
    assert (none.one_or_none(), none.scalar_one_or_none()) == (None, None)
    assert (one.one().n, one.scalar_one(), one.scalar_one_or_none()) == (1, 1, 1)
    for ask in (none.one, none.scalar_one, two.one, two.one_or_none, two.scalar_one_or_none):
        with pytest.raises(NotOneRow):
            ask()


async def test_many_rows_come_a_few_at_a_time_and_from_several_cursors(database: Database) -> None:
    numbers = text("SELECT n, CAST('[1]' AS jsonb) AS j FROM generate_series(:a, 25) AS n")
    names = text("SELECT name FROM things ORDER BY id")
    for _ in range(2):  # the second time over the same connection
        async with database.transaction(NO_SHOP) as connection:
            await connection.run(THINGS)
            found = []
            async for row in connection.stream(numbers, {"a": 6}, 10):
                assert row.j == [1]
                found.append(row.n)
                if row.n == 7:
                    assert [each.name async for each in connection.stream(names, {}, 2)] == [
                        "x1", "x2", "x3",
                    ]  # fmt: skip
        assert found == list(range(6, 26))


@pytest.mark.parametrize(
    ("sql", "value", "said"),
    [
        ("INSERT INTO things (name, id) VALUES (:value, 1)", SECRET, "things_pkey"),
        ("INSERT INTO things (name, id) VALUES (:value, NULL)", SECRET, "violates not-null"),
        ("SELECT CAST(CAST(:value AS text) AS uuid)", SECRET, "InvalidTextRepresentationError"),
        ("SELECT CAST(:value AS int)", SECRET, "DataError"),
        ("SELECT CAST(CAST(:value AS text) AS json)", SECRET, "InvalidTextRepresentationError"),
        ("SELECT nothing, CAST(:value AS text)", SECRET, 'column "nothing" does not exist'),
    ],
)
async def test_an_error_tells_the_statement_and_quotes_nothing_else(
    database: Database, sql: str, value: str, said: str
) -> None:
    before = await pid(database)

    async def fail(connection: Connection) -> None:
        await connection.run(THINGS)
        await connection.execute(text(sql), {"value": value})

    with pytest.raises(DatabaseError) as failed:
        await attempt(database, fail)
    assert said in str(failed.value)
    assert text(sql).numbered in str(failed.value)
    assert value not in str(failed.value)
    assert isinstance(failed.value.__cause__, asyncpg.PostgresError)
    assert await pid(database) == before


async def test_an_error_that_is_passed_over_commits_nothing(database: Database) -> None:
    async def go_on(connection: Connection) -> None:
        with pytest.raises(DatabaseError):
            await connection.execute(FAIL)

    with pytest.raises(DatabaseError, match="nothing was committed"):
        await attempt(database, go_on)
    await database.ready()


async def test_an_error_in_a_block_undoes_the_block(database: Database) -> None:
    async with database.transaction(NO_SHOP) as connection:
        await connection.run(THINGS)
        async with connection.savepoint():
            await connection.execute(RENAME, {"id": 1, "name": "outer"})
            with suppress(DatabaseError):
                async with connection.savepoint():
                    await connection.execute(RENAME, {"id": 2, "name": "inner"})
                    await connection.execute(FAIL)
            async with connection.savepoint():
                await connection.execute(RENAME, {"id": 3, "name": "after"})
        assert (await connection.execute(NAMES)).scalars() == ["outer", "x2", "after"]
        with suppress(ZeroDivisionError):
            async with connection.savepoint():
                await connection.execute(RENAME, {"id": 1, "name": "again"})
                raise ZeroDivisionError
        assert (await connection.execute(NAMES)).scalars() == ["outer", "x2", "after"]


async def test_who_keeps_a_connection_cannot_use_it_for_anothers_transaction(
    database: Database,
) -> None:
    numbers = text("SELECT n FROM generate_series(1, 9) AS n")
    async with database.transaction(NO_SHOP) as kept:
        left = kept.stream(numbers, {}, 2)
        assert [(await anext(left)).n for _ in range(2)] == [1, 2]
    async with database.transaction(ACROSS_SHOPS):
        with pytest.raises(DatabaseError, match="has ended"):
            await kept.execute(PID)
        with pytest.raises(DatabaseError, match="has ended"):
            await kept.run("SELECT 1")
        with pytest.raises(DatabaseError, match="has ended"):
            await anext(left)
        with pytest.raises(DatabaseError, match="has ended"):
            await kept.savepoint().__aenter__()


async def test_a_transaction_beside_another_has_its_own_connection(url: str) -> None:
    database = Database(url, "connection", pool=2)
    async with database.transaction(NO_SHOP) as outer:
        await outer.run(THINGS)
        async with database.transaction(NO_SHOP) as inner:
            with pytest.raises(DatabaseError, match='"things" does not exist'):
                async with inner.savepoint():
                    await inner.execute(NAMES)
            assert (await outer.execute(NAMES)).rowcount == 3
    await database.close()


async def test_who_is_cancelled_leaves_nothing_in_the_middle_of_something(
    database: Database,
) -> None:
    seen = {await pid(database)}
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                attempt(database, lambda connection: connection.execute(SLEEP)), 0.05
            )
        seen.add(await asyncio.wait_for(pid(database), 5))
    assert len(seen) == 4
    # Nor does PostgreSQL go on with it.
    await eventually(lambda: backends(database, "%pg_sleep%"), lambda left: left == 0)


async def test_who_is_cancelled_between_statements_is_rolled_back(database: Database) -> None:
    before = await pid(database)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(attempt(database, lambda _: asyncio.Event().wait()), 0.05)
    assert await pid(database) == before


async def test_who_is_cancelled_while_waiting_takes_no_turn(database: Database) -> None:
    async with database.transaction(NO_SHOP) as connection:
        waiting = [asyncio.create_task(pid(database)) for _ in range(5)]
        await asyncio.sleep(0.05)
        for each in waiting[:4]:
            each.cancel()
        ours = (await connection.execute(PID)).scalar_one()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in done] == [asyncio.CancelledError] * 4 + [int]
    assert done[4] == ours
    await database.ready()


async def test_who_waits_too_long_for_a_turn_is_told(url: str) -> None:
    async def connect() -> Line:
        return await dial(url, "postgres", {}, 5)

    pool = Pool(connect, 1, patience=0.05)
    line = await pool.take()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await pool.take()
    pool.give_back(line)
    assert await pool.take() is line
    pool.give_back(line)
    await pool.close()


async def test_a_connection_that_cannot_be_had_takes_no_turn() -> None:
    database = Database("postgresql://127.0.0.1:1", "connection", pool=1)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await database.ready()
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        await database.make()
    await database.close()


async def test_a_statement_that_takes_too_long_is_given_up(database: Database, url: str) -> None:
    hasty = Database(url, "connection", pool=1, patience=0.2)
    before = await pid(hasty)
    with pytest.raises(Unavailable):
        await attempt(hasty, lambda connection: connection.execute(SLEEP))
    assert await pid(hasty) != before
    await eventually(lambda: backends(database, "%pg_sleep%"), lambda left: left == 0)
    await hasty.close()


async def test_a_connection_that_was_ended_is_away_and_the_next_one_is_new(
    database: Database,
) -> None:
    async def end() -> None:
        async with database.transaction(MIGRATION) as connection:  # which may do that
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Unavailable):
        await end()
    await database.ready()


async def test_connections_that_ended_while_they_waited_are_replaced_unseen(url: str) -> None:
    database = Database(url, "connection", pool=3)
    await asyncio.gather(*(pid(database) for _ in range(3)))
    async with database.apart() as connection:
        ended = await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        assert ended.rowcount >= 3
    await eventually(lambda: backends(database), lambda left: left == 0)
    await asyncio.gather(*(pid(database) for _ in range(3)))
    await database.close()


@pytest.mark.parametrize("state", ["25006", "53100", "40P01", "40001"])
async def test_what_the_server_cannot_do_now_is_unavailable(database: Database, state: str) -> None:
    before = await pid(database)
    fail = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(Unavailable):
        await attempt(database, lambda connection: connection.run(fail))
    # Where nothing can be written now, another server is asked for.
    assert (await pid(database) == before) == (state != "25006")


async def test_a_table_that_has_changed_is_read_as_it_is_now(database: Database, url: str) -> None:
    table = f"changing_{uuid4().hex}"
    read = text(f"SELECT * FROM {table}")
    changing = Database(url, "connection", pool=1)

    async def change(statement: str) -> None:
        async with changing.transaction(MIGRATION) as connection:
            await connection.run(statement)

    async def columns() -> list[str]:
        async with database.transaction(MIGRATION) as connection:
            return list((await connection.execute(read)).one()._asdict())

    await change(f"CREATE TABLE {table} AS SELECT 1 AS a")
    assert await columns() == ["a"]
    await change(f"ALTER TABLE {table} ADD COLUMN b int")
    with pytest.raises(Unavailable):
        await columns()
    assert await columns() == ["a", "b"]
    await change(f"DROP TABLE {table}")
    await changing.close()


async def test_the_last_connection_to_come_back_is_the_next_to_be_used(url: str) -> None:
    database = Database(url, "connection", pool=4)
    rush = await asyncio.gather(*(pid(database) for _ in range(12)))
    assert len(set(rush)) == 4
    assert len({await pid(database) for _ in range(8)}) == 1
    await database.close()


async def test_nothing_is_left_open(database: Database, url: str) -> None:
    await database.close()
    await eventually(lambda: backends(database), lambda left: left == 0)
    rushed = Database(url, "connection", pool=3)

    async def one(number: int) -> None:
        uses: tuple[Callable[[Connection], Awaitable[object]], ...] = (
            lambda connection: connection.execute(PID),
            lambda connection: connection.execute(FAIL),
            lambda connection: asyncio.wait_for(connection.execute(SLEEP), 0.02),
        )
        await attempt(rushed, uses[number % 3])

    done = await asyncio.gather(*(one(number) for number in range(30)), return_exceptions=True)
    assert [type(each) for each in done[:3]] == [type(None), DatabaseError, Unavailable]
    assert await eventually(lambda: backends(database), lambda left: left <= 3) <= 3
    assert await backends(database, "%pg_sleep%") == 0
    async with rushed.transaction(NO_SHOP) as connection:
        await rushed.close()
        await connection.execute(PID)
    await eventually(lambda: backends(database), lambda left: left == 0)


async def test_only_so_many_statements_stay_prepared(database: Database) -> None:
    async with database.transaction(NO_SHOP) as connection:
        for number in range(300):
            found = await connection.execute(text(f"SELECT {number}"))
            assert found.scalar_one() == number
        known = await connection.execute(text("SELECT count(*) FROM pg_prepared_statements"))
        assert 190 < known.scalar_one() < 210


async def test_each_value_has_to_be_given(database: Database) -> None:
    async with database.transaction(NO_SHOP) as connection:
        with pytest.raises(KeyError, match="a"):
            await connection.execute(text("SELECT CAST(:a AS int)"), {"b": 1})
        await connection.execute(PID)
