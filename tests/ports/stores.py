"""Units of work of the points service on each store that there is, for suites that run on all."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from nats.js import JetStreamContext

from adapters.memory.ledger import MemoryLedger
from adapters.memory.units import MemoryUnits
from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.drivers import PYMONGO
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.outbox import MongoOutbox
from adapters.mongo.transaction import Transaction
from adapters.mongo.units import mongo_units
from adapters.nats.connection import QuickClient, connect
from adapters.nats.outbox import Outbox
from adapters.nats.publisher import Publisher
from adapters.nats.relay import Relay
from adapters.nats.streams import ensure_streams
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.units import postgres_units
from adapters.system import SystemClock, UuidV7
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.clock import Clock
from ports.ledger import Ledger
from ports.unit import Units
from tests.ports.shops_named import ShopsNamed

IDS: Final = UuidV7()
KEYS: Final = [b"k"]
SYSTEM_CLOCK: Final = SystemClock()


@dataclass(slots=True)
class Store:
    """Transactions on the stores that were asked for, and what publishes what they say; nothing is
    published before it is told to."""

    units: Units[Any]
    relay: Relay
    nats: QuickClient
    js: JetStreamContext
    _publisher: Publisher
    _outbox: Outbox

    def swept_at(self, at: datetime) -> Relay:
        """What publishes the same outbox, at another time."""
        return Relay(self._outbox, self._publisher, Standing(at))

    async def empty_outbox(self) -> None:
        """Forget what was said and could not be published."""
        before = SYSTEM_CLOCK.now() + timedelta(days=1)
        while left := await self._outbox.left(before, 0, 10):
            await self._outbox.remove(left, [])


@dataclass(frozen=True, slots=True)
class Standing:
    """A clock that stands."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def in_memory(clock: Clock = SYSTEM_CLOCK) -> Units[Ledger]:
    units: MemoryUnits[Ledger] = MemoryUnits(MemoryLedger, clock, IDS)
    return units


@asynccontextmanager
async def on_postgres(
    servers: Servers,
    *,
    across_shops: bool = True,
    clock: Clock = SYSTEM_CLOCK,
    stores: Callable[[Connection], object] = PostgresLedger,
) -> AsyncIterator[Store]:
    database = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=10)
    await database.make()
    await database.migrate()
    outbox = PostgresOutbox(database)
    async with _publisher(servers) as (client, publisher, js):
        relay = Relay(outbox, publisher, clock)
        units = postgres_units(
            database, relay, stores, clock, IDS,
            input_keys=KEYS, across_shops=across_shops,
        )  # fmt: skip
        yield Store(units, relay, client, js, publisher, outbox)
    await database.close()


@asynccontextmanager
async def on_mongo(
    server: MongoServer,
    servers: Servers,
    *,
    driver: str = PYMONGO,
    across_shops: bool = True,
    clock: Clock = SYSTEM_CLOCK,
    stores: Callable[[Transaction], object] = MongoLedger,
) -> AsyncIterator[Store]:
    watch = ShopsNamed()
    database = MongoDatabase(server.url, "points", OF_POINTS, driver=driver, listeners=[watch])
    await database.make()
    await database.migrate()
    outbox = MongoOutbox(database)
    async with _publisher(servers) as (client, publisher, js):
        relay = Relay(outbox, publisher, clock)
        units = mongo_units(
            database, relay, stores, clock, IDS,
            input_keys=KEYS, across_shops=across_shops,
        )  # fmt: skip
        yield Store(units, relay, client, js, publisher, outbox)
    await database.close()
    watch.check()


@asynccontextmanager
async def _publisher(
    servers: Servers,
) -> AsyncIterator[tuple[QuickClient, Publisher, JetStreamContext]]:
    client = await connect(servers.environment()["LOYALNEST_NATS_URL"], "test")
    publisher = Publisher(client)
    await publisher.start()
    js = client.jetstream(timeout=10)
    await ensure_streams(js)
    yield client, publisher, js
    await client.close()
