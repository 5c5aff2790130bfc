"""What a process offers to the wiring of its services: connections, clock, databases, the mesh."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from nats.js import JetStreamContext
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.nats.client import NatsMesh
from adapters.nats.connection import QuickClient
from adapters.nats.publisher import Publisher
from adapters.postgres.database import Database
from adapters.postgres.relay import Relay
from adapters.postgres.units import postgres_units
from adapters.runtime.settings import Settings
from ports.clock import Clock
from ports.ids import Ids
from ports.unit import Units

StoresT = TypeVar("StoresT")


@dataclass(slots=True)
class World:
    settings: Settings
    client: QuickClient
    js: JetStreamContext
    publisher: Publisher
    mesh: NatsMesh
    valkey: Redis
    clock: Clock
    ids: Ids
    databases: dict[str, Database] = field(default_factory=dict)
    relays: dict[str, Relay] = field(default_factory=dict)

    def database(self, service: str) -> Database:
        """The database of ``service``; made and migrated before the service starts."""
        if service not in self.databases:
            database = Database(
                self.settings.postgres_url, service, pool=self.settings.database_pool
            )
            self.databases[service] = database
            self.relays[service] = Relay(database, self.publisher, self.clock)
        return self.databases[service]

    def units(self, service: str, stores: Callable[[AsyncConnection], StoresT]) -> Units[StoresT]:
        """Transactions on the database of ``service``."""
        database = self.database(service)
        return postgres_units(database, self.relays[service], stores, self.clock, self.ids)
