"""What a process offers to the wiring of its services: connections, clock, databases, the mesh."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from nats.js import JetStreamContext
from redis.asyncio import Redis

from adapters.crypto.derive import derived
from adapters.nats.client import NatsMesh
from adapters.nats.connection import QuickClient
from adapters.nats.publisher import Publisher
from adapters.nats.relay import Relay
from adapters.nats.vouching import Vouching
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.units import postgres_units
from adapters.runtime.key_management import key_management
from adapters.runtime.settings import Settings
from ports.clock import Clock
from ports.ids import Ids
from ports.key_management import KeyManagement
from ports.unit import Units

if TYPE_CHECKING:
    from adapters.mongo.database import MongoDatabase
    from adapters.mongo.transaction import Transaction

StoresT = TypeVar("StoresT")


@dataclass(slots=True)
class World:
    settings: Settings
    client: QuickClient
    js: JetStreamContext
    publisher: Publisher
    mesh: NatsMesh
    vouching: Vouching
    valkey: Redis
    clock: Clock
    ids: Ids
    databases: dict[str, Database] = field(default_factory=dict)
    mongo: "dict[str, MongoDatabase]" = field(default_factory=dict)
    relays: dict[str, Relay] = field(default_factory=dict)
    _key_management: KeyManagement | None = None

    def key_management(self) -> KeyManagement:
        """Where the master key is; looked for when somebody needs it. Raises BadKeyFile."""
        if self._key_management is None:
            self._key_management = key_management(self.settings, self.clock)
        return self._key_management

    def database(self, service: str) -> Database:
        """The database of ``service``; made and migrated before the service starts."""
        if service not in self.databases:
            database = Database(
                self.settings.postgres_url, service, pool=self.settings.database_pool
            )
            self.databases[service] = database
            self.relays[service] = Relay(PostgresOutbox(database), self.publisher, self.clock)
        return self.databases[service]

    def units(self, service: str, stores: Callable[[Connection], StoresT]) -> Units[StoresT]:
        """Transactions on the database of ``service``, each about the shops that its call or batch
        is about (``ports.tenancy``)."""
        return self._units(service, stores, across_shops=False)

    def units_across_shops(
        self, service: str, stores: Callable[[Connection], StoresT]
    ) -> Units[StoresT]:
        """Transactions that see every shop: for what is about all of them by nature, or has to find
        out first whose it is. ``tests/mesh/test_tenancy.py`` lists who has these and why."""
        return self._units(service, stores, across_shops=True)

    def _units(
        self,
        service: str,
        stores: Callable[[Connection], StoresT],
        *,
        across_shops: bool,
    ) -> Units[StoresT]:
        database = self.database(service)
        relay = self.relays[service]
        return postgres_units(
            database,
            relay,
            stores,
            self.clock,
            self.ids,
            input_keys=self._input_keys,
            across_shops=across_shops,
        )

    def mongo_database(self, service: str) -> "MongoDatabase":
        """The database of a ``service`` that is kept on MongoDB; made and migrated before the
        service starts."""
        if service not in self.mongo:
            # Imported here and below: it is heavy, and most processes do without.
            from adapters.mongo.collections import OF_POINTS
            from adapters.mongo.database import MongoDatabase
            from adapters.mongo.outbox import MongoOutbox

            database = MongoDatabase(
                self.settings.mongo_url,
                service,
                OF_POINTS,
                driver=self.settings.mongo_driver,
                pool=self.settings.database_pool,
            )
            self.mongo[service] = database
            self.relays[service] = Relay(MongoOutbox(database), self.publisher, self.clock)
        return self.mongo[service]

    def mongo_units(
        self,
        service: str,
        stores: "Callable[[Transaction], StoresT]",
        *,
        across_shops: bool = False,
    ) -> Units[StoresT]:
        """As ``units``, or ``units_across_shops``, on MongoDB."""
        from adapters.mongo.units import mongo_units

        return mongo_units(
            self.mongo_database(service),
            self.relays[service],
            stores,
            self.clock,
            self.ids,
            input_keys=self._input_keys,
            across_shops=across_shops,
        )

    @property
    def storages(self) -> "Sequence[Database | MongoDatabase]":
        return (*self.databases.values(), *self.mongo.values())

    @property
    def _input_keys(self) -> list[bytes]:
        return [derived(each, "idempotency input") for each in self.settings.app_secrets]
