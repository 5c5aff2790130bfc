"""Units of work of the points service on each store that there is, for suites that run on all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from adapters.mongo.client import PYMONGO
from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.outbox import MongoOutbox
from adapters.mongo.units import mongo_units
from adapters.nats.connection import connect
from adapters.nats.publisher import Publisher
from adapters.nats.relay import Relay
from adapters.system import SystemClock, UuidV7
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.ledger import Ledger
from ports.unit import Units

IDS: Final = UuidV7()


@asynccontextmanager
async def on_mongo(
    server: MongoServer, servers: Servers, *, driver: str = PYMONGO
) -> AsyncIterator[Units[Ledger]]:
    client = await connect(servers.environment()["LOYALNEST_NATS_URL"], "test")
    database = MongoDatabase(server.url, "points", OF_POINTS, driver=driver)
    await database.make()
    await database.migrate()
    relay = Relay(MongoOutbox(database), Publisher(client), SystemClock())
    yield mongo_units(
        database, relay, MongoLedger, SystemClock(), IDS, input_keys=[b"k"], across_shops=True
    )
    await database.close()
    await client.close()
