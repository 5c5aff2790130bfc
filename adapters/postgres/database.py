"""One service's database: its engine, its creation, its migrations, and its errors in our words."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.postgres.moves import is_elsewhere, shop_moving
from adapters.postgres.quick import QuickEngine
from adapters.postgres.tenancy import (
    MIGRATION,
    NO_SHOP,
    SHOP_ROLE,
    Scope,
    searched_views,
    wall_off,
)
from domain.errors import Unavailable

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InterfaceError,
    PoolTimeout,
    OSError,
    TimeoutError,
)
"""What a second try can mend: the server is away, has no room or is not the one that is written to,
or two transactions stood in each other's way."""
_NO_ROLE: Final = (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError)
"""What a connection is refused with when there is no such role, or it is for others."""


def is_away(error: BaseException | None) -> bool:
    """Whether ``error`` says that the database could not do it now, rather than not at all."""
    while error is not None:
        if isinstance(error, _AWAY):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        if isinstance(error, InterfaceError):
            return True
        error = error.orig if isinstance(error, DBAPIError) else error.__cause__
    return False


class _Connection(asyncpg.Connection):
    """Says what a transaction may touch together with its BEGIN, so that it is no round trip."""

    scope = NO_SHOP

    async def execute(
        self,
        query: str,
        *args: Any,  # as in asyncpg, which passes them on to its encoders
        timeout: float | None = None,  # noqa: ASYNC109 - the method is asyncpg's
    ) -> str:
        if not query.startswith("BEGIN"):
            return await super().execute(query, *args, timeout=timeout)
        try:
            return await super().execute(query + self.scope, *args, timeout=timeout)
        except BaseException as error:
            if is_elsewhere(error):
                # PostgreSQL has said no, as it may often: the connection is as good as before.
                await super().execute("ROLLBACK", timeout=timeout)
                self._top_xact = None  # which asyncpg takes for begun
                raise
            # It may have begun all the same, and nobody would end it before the next one.
            self.terminate()
            raise


class Database:
    """``url`` names the server; the database is ``loyalnest_<service>``. ``patience`` is how many
    seconds a statement may take."""

    def __init__(self, url: str, service: str, *, pool: int = 4, patience: float = 60) -> None:
        self.service = service
        self.name = f"loyalnest_{service}"
        self._server = make_url(url).set(drivername="postgresql+asyncpg")
        engine = create_async_engine(
            self._server.set(database=self.name),
            pool_size=pool,
            # A connection beyond the pool would be opened and closed for each transaction, which
            # costs both sides far more than the transaction does; waiting for a turn is quicker.
            max_overflow=0,
            # Taking turns, all of them would plan each statement and fill caches of their own; so
            # those that a rush has opened rest after it.
            pool_use_lifo=True,
            pool_timeout=10,
            connect_args={
                "timeout": 5,
                "command_timeout": patience,
                "connection_class": _Connection,
                "server_settings": {"role": SHOP_ROLE},
            },
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
            hide_parameters=True,  # or error texts would quote rows
        )
        self.engine: AsyncEngine = QuickEngine(engine.sync_engine)

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncIterator[AsyncConnection]:
        """Commit at the end, roll back on an error. Raises Unavailable when the server is away,
        ShopMoving when the scope asks for a shop that lives elsewhere."""
        try:
            async with self.engine.connect() as connection:
                driver = _driver(connection)
                driver.scope = scope
                try:
                    async with connection.begin():
                        yield connection
                finally:
                    driver.scope = NO_SHOP
        except (DBAPIError, PoolTimeout, OSError, TimeoutError) as error:
            if (moving := shop_moving(error)) is not None:
                raise moving from None
            if is_away(error):
                raise Unavailable("The storage is not available.") from error
            raise

    async def ready(self) -> None:
        """Raises Unavailable when a query does not get through."""
        async with self.transaction(NO_SHOP) as connection:
            await connection.execute(text("SELECT 1"))

    async def make(self) -> None:
        """Make the database if it is missing. Safe when several processes do it at once."""
        try:
            await self._reach()
        except (DBAPIError, asyncpg.InvalidCatalogNameError):
            await self._create()
            await self._reach()

    async def migrate(self) -> None:
        """Bring the schema up to date, every table walled off. Safe when several processes do it
        at once, but not twice at a time in one: Alembic's ``op`` is one for the whole process.

        Raises Unwalled when the service would not keep shops apart.
        """
        async with self.transaction(MIGRATION) as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(76211)"))
            await connection.run_sync(_migrate, MIGRATIONS / "mesh", "mesh_version")
            own = MIGRATIONS / self.service
            if own.is_dir():
                views = searched_views(self.service)
                await connection.run_sync(_migrate, own, "schema_version", views)
            await wall_off(connection, self.service)

    async def close(self) -> None:
        await self.engine.dispose()

    async def _reach(self) -> None:
        try:
            async with self.engine.connect():
                pass
        except DBAPIError as error:
            reason = None if error.orig is None else error.orig.__cause__
            if isinstance(reason, _NO_ROLE):
                raise Unavailable(
                    f"The database's user cannot become {SHOP_ROLE}: see docs/runbook.md, Roles."
                ) from error
            raise

    async def _create(self) -> None:
        # Not through the engine: CREATE DATABASE cannot run in a transaction.
        connection = await asyncpg.connect(
            host=self._server.host,
            port=self._server.port,
            user=self._server.username,
            password=self._server.password,
            database="postgres",
            timeout=10,
        )
        try:
            for attempt in range(20):
                try:
                    await connection.execute(f'CREATE DATABASE "{self.name}"')
                except asyncpg.DuplicateDatabaseError:
                    return
                except (asyncpg.ObjectInUseError, asyncpg.UniqueViolationError):
                    # Another service is being given its database from the same template.
                    await asyncio.sleep(0.05 * (attempt + 1))
                else:
                    return
        finally:
            await connection.close()
        raise Unavailable(f"The database {self.name} could not be made.")


def _driver(connection: AsyncConnection) -> _Connection:
    # Not get_raw_connection(): that is a switch of greenlets more for every transaction.
    pooled = connection.sync_connection
    driver = None if pooled is None else pooled.connection.driver_connection
    if not isinstance(driver, _Connection):
        raise TypeError(f"the driver's connection is {type(driver).__name__}")
    return driver


def _migrate(
    connection: Connection, directory: Path, version_table: str, views: Iterable[str] = ()
) -> None:
    """``views`` are made anew afterwards: they would keep columns from being changed."""
    script = ScriptDirectory(str(directory), version_locations=[str(directory)])
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": version_table,
            "fn": lambda revision, _: script._upgrade_revs("head", revision),
        },
    )
    if context.get_current_revision() == script.get_current_head():
        return
    for view in views:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view}")
    with Operations.context(context):
        context.run_migrations()
