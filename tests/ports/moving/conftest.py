"""Both stores, opened once for each file."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest
import pytest_asyncio

from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.moving import MongoPointsStore
from adapters.mongo.resealing import MongoSealedRows
from adapters.postgres.database import Database
from adapters.postgres.moving import PostgresPointsStore
from adapters.postgres.resealing import SealedTable, sealed_rows
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.unit import Units
from tests.ports.moving.rig import Kept, Rig
from tests.ports.points_life import OnMongo, OnPostgres
from tests.ports.stores import on_mongo, on_postgres

_SEALED: Final = SealedTable("reward_redemptions", "redemption_id", {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(servers: Servers, mongo: MongoServer) -> AsyncIterator[Rig]:
    rows = sealed_rows(_SEALED)
    async with AsyncExitStack() as opened:

        async def on(where: Any, *first: Any, **more: Any) -> Units[Any]:
            store = await opened.enter_async_context(where(*first, servers, **more))
            units: Units[Any] = store.units
            return units

        tables = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=6)
        documents = MongoDatabase(mongo.url, "points", OF_POINTS)
        yield Rig(
            tables,
            documents,
            Kept(
                await on(on_postgres, stores=OnPostgres, across_shops=False),
                await on(on_postgres, stores=OnPostgres),
                await on(on_postgres, stores=rows, across_shops=False),
                PostgresPointsStore(tables),
            ),
            Kept(
                await on(on_mongo, mongo, stores=OnMongo, across_shops=False),
                await on(on_mongo, mongo, stores=OnMongo),
                await on(on_mongo, mongo, stores=MongoSealedRows, across_shops=False),
                MongoPointsStore(documents),
            ),
        )
        await tables.close()
        await documents.close()


@pytest.fixture(params=["postgres", "mongo"])
def kept(request: pytest.FixtureRequest, rig: Rig) -> Kept:
    """Either store."""
    found: Kept = getattr(rig, request.param)
    return found
