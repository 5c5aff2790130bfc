"""One service's database: connections, creation, migrations, and its errors in our words."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from adapters.postgres.connection import CannotBegin, Connection, DatabaseError, Line, dial, text
from adapters.postgres.migrating import bring_up_to_date
from adapters.postgres.moves import shop_moving
from adapters.postgres.pool import Pool
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
    CannotBegin,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""What a later try can mend: the server is away, has no room or is not the one that is written to,
two transactions stood in each other's way, or a table is not as it was when a statement was
prepared."""
_NO_ROLE: Final = (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError)
"""What a connection is refused with when there is no such role, or it is for others."""
_ALONE: Final = text("SELECT pg_advisory_xact_lock(76211)")
_SELECT: Final = text("SELECT 1")
_AS_SHOPS: Final = {"role": SHOP_ROLE}
_NOT_AVAILABLE: Final = "The storage is not available."


def is_away(error: BaseException | None) -> bool:
    """Whether ``error`` says that the database could not do it now, rather than not at all."""
    while error is not None:
        if isinstance(error, _AWAY):
            return True
        error = error.__cause__
    return False


class Database:
    """``url`` names the server; the database is ``loyalnest_<service>``. ``patience`` is how many
    seconds a statement may take."""

    def __init__(self, url: str, service: str, *, pool: int = 4, patience: float = 60) -> None:
        self.service = service
        self.name = f"loyalnest_{service}"
        self._url = url
        self._patience = patience
        self._pool = Pool(self._dial, pool)

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncIterator[Connection]:
        """Commit at the end, roll back on an error. Raises Unavailable when the server is away,
        ShopMoving when the scope asks for a shop that lives elsewhere, DatabaseError."""
        try:
            line = await self._pool.take()
            try:
                await line.begin(scope)
                connection = Connection(line)
                try:
                    yield connection
                except BaseException:
                    await line.undo("ROLLBACK")
                    raise
                finally:
                    connection.end()
                await line.commit()
            finally:
                self._pool.give_back(line)
        except (DatabaseError, OSError) as error:
            if (moving := shop_moving(error)) is not None:
                raise moving from None
            if is_away(error):
                raise Unavailable(_NOT_AVAILABLE) from error
            raise

    @asynccontextmanager
    async def apart(self, **settings: str) -> AsyncIterator[Connection]:
        """A connection of one's own, in no transaction, as the user who logs in. It is closed at
        the end. Raises CannotBegin."""
        line = await self._dial(settings)
        try:
            yield Connection(line)
        finally:
            await line.close()

    async def ready(self) -> None:
        """Raises Unavailable when a query does not get through."""
        async with self.transaction(NO_SHOP) as connection:
            await connection.execute(_SELECT)

    async def make(self) -> None:
        """Make the database if it is missing. Safe when several processes do it at once."""
        if not await self._is_there():
            await self._create()
            await self._is_there()

    async def migrate(self) -> None:
        """Bring the schema up to date, every table walled off. Safe when several processes do it
        at once, but not twice at a time in one: Alembic's ``op`` is one for the whole process.

        Raises Unwalled when the service would not keep shops apart.
        """
        async with self.transaction(MIGRATION) as connection:
            await connection.execute(_ALONE)
            await bring_up_to_date(connection, MIGRATIONS / "mesh", "mesh_version")
            own = MIGRATIONS / self.service
            if own.is_dir():
                views = searched_views(self.service)
                await bring_up_to_date(connection, own, "schema_version", views)
            await wall_off(connection, self.service)

    async def close(self) -> None:
        await self._pool.close()

    async def _dial(self, settings: Mapping[str, str] = _AS_SHOPS) -> Line:
        return await dial(self._url, self.name, settings, self._patience)

    async def _is_there(self) -> bool:
        """Raises Unavailable."""
        try:
            self._pool.give_back(await self._pool.take())
        except CannotBegin as error:
            if isinstance(error.__cause__, asyncpg.InvalidCatalogNameError):
                return False
            if isinstance(error.__cause__, _NO_ROLE):
                raise Unavailable(
                    f"The database's user cannot become {SHOP_ROLE}: see docs/runbook.md, Roles."
                ) from error
            raise Unavailable(f"The storage is not available: {error}") from error
        return True

    async def _create(self) -> None:
        connection = await asyncpg.connect(self._url, database="postgres", timeout=10)
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
