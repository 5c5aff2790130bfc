"""The shorter way of a statement to PostgreSQL gives what SQLAlchemy's own way gives."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.database import Database
from adapters.postgres.tenancy import MIGRATION, NO_SHOP
from domain.errors import Unavailable
from infra.embedded.servers import Servers

ID = UUID(int=7)
VALUES = {
    "id": ID, "number": 5, "name": "it's :not a % name", "amount": Decimal("1.50"),
    "at": datetime(2026, 5, 1, tzinfo=UTC), "many": [1, 2], "raw": b"\x00", "unused": 1,
}  # fmt: skip
MAKE = "CREATE TEMPORARY TABLE things (id int PRIMARY KEY, name text) ON COMMIT DROP"
FILL = "INSERT INTO things SELECT n, 'x' || n FROM generate_series(1, 3) AS n"
STATEMENTS = (
    "SELECT CAST(:id AS uuid) AS id, CAST(:number AS bigint) AS n, CAST(:name AS text) AS name",
    "SELECT CAST(:amount AS numeric) AS a, CAST(:at AS timestamptz) AS t, CAST(:raw AS bytea) AS r",
    "SELECT CAST(:many AS int[]) AS many, CAST(:number AS int) + CAST(:number AS int) AS twice",
    "SELECT CAST('{\"a\": [1]}' AS jsonb) AS b, CAST('[2]' AS json) AS j, NULL AS n, '\\:x' AS x",
    "SELECT 1 AS same, 2 AS same",
    "SELECT id, name FROM things ORDER BY id",
    "SELECT * FROM things WHERE id > :number",
    "INSERT INTO things VALUES (:number, :name) RETURNING id",
    "UPDATE things SET name = 'y' WHERE id < 3",
    "DELETE FROM things WHERE id = 1",
    "SET LOCAL work_mem = '5MB'",
)
WAYS: dict[str, Callable[[Any], Any]] = {
    "all": lambda found: [(tuple(row), row._mapping.keys()) for row in found.all()],
    "first": lambda found: found.first(),
    "mappings": lambda found: [dict(each) for each in found.mappings()],
    "scalars": lambda found: list(found.scalars()),
    "names": lambda found: [getattr(row, "id", "none") for row in found],
    "partitions": lambda found: [list(each) for each in found.partitions(2)],
    "rowcount": lambda found: (found.rowcount, found.returns_rows),
}


@pytest.fixture
async def database(servers: Servers) -> AsyncIterator[Database]:
    database = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "quick", pool=1)
    await database.make()
    await database.migrate()
    yield database
    await database.close()


async def given(connection: AsyncConnection, statement: str, way: str) -> Any:
    """What comes of it; what is raised where it cannot be asked for that."""
    await connection.execute(text(MAKE))
    await connection.execute(text(FILL))
    try:
        return WAYS[way](await connection.execute(text(statement), VALUES))
    except SQLAlchemyError as error:
        return type(error)


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_every_kind_of_statement_gives_the_same(database: Database, statement: str) -> None:
    slow = AsyncEngine(database.engine.sync_engine)
    for way in WAYS:
        async with database.transaction(NO_SHOP) as connection:
            quick = await given(connection, statement, way)
        async with slow.connect() as connection, connection.begin():
            assert quick == await given(connection, statement, way), way


async def failing(database: Database, statement: str, values: dict[str, Any]) -> None:
    async with database.transaction(NO_SHOP) as connection:
        await connection.execute(text(MAKE))
        await connection.execute(text(FILL))
        await connection.execute(text(statement), values)


async def test_an_error_is_the_same_and_spoils_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError, match="INSERT INTO things") as failed:
        await failing(database, "INSERT INTO things VALUES (:id)", {"id": 1})
    assert failed.value.orig is not None
    assert isinstance(failed.value.orig.__cause__, asyncpg.UniqueViolationError)
    with pytest.raises(DBAPIError, match="invalid input for query argument"):
        await failing(database, "SELECT CAST(:id AS int)", {"id": "no number"})
    await database.ready()


async def test_who_is_cancelled_leaves_no_connection_in_the_middle_of_something(
    database: Database,
) -> None:
    """There is one connection: whoever comes next would get it."""

    async def sleep() -> None:
        async with database.engine.connect() as connection, connection.begin():
            await connection.execute(text("SELECT pg_sleep(9)"))

    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sleep(), 0.05)
        await asyncio.wait_for(database.ready(), 5)


async def test_a_connection_that_was_ended_is_away_and_the_next_one_is_new(
    database: Database,
) -> None:

    async def end() -> None:
        async with database.transaction(MIGRATION) as connection:  # which may do that
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Unavailable) as failed:
        await end()
    assert isinstance(failed.value.__cause__, DBAPIError)
    assert failed.value.__cause__.connection_invalidated
    await database.ready()
