"""Tells random stories to one kind of store, for as long as the command line says."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from adapters.memory.units import MemoryUnits
from adapters.mongo.chain import MongoChain, MongoChainReader
from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.transaction import Transaction
from adapters.postgres.chain import AS_OF_NOW, PostgresChain, PostgresChainReader
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.chain import ChainReader
from ports.unit import Units
from services.points.chaining import seal_entries, verify
from tests.ports.stores import IDS, Store, on_mongo, on_postgres
from tests.services.given import StandingClock

T = TypeVar("T")

_STEPS_OF_A_STORY: Final = 50


@dataclass(frozen=True, slots=True)
class Adapters:
    """What a story asks of a store, for each kind there is."""

    memory: Callable[[], Any]
    postgres: Callable[[Connection], Any]
    mongo: Callable[[Transaction], Any]


class Place(ABC):
    """A store to tell stories to, with a clock that stands and an event loop of its own, because
    hypothesis has none."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        self.clock = StandingClock()
        self._loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self._loop.close()

    @abstractmethod
    def open(self, adapters: Adapters) -> tuple[Units[Any], Units[Any]]:
        """For one story: transactions that see every shop, and those about the shops at hand."""

    @abstractmethod
    async def verify(self, shops: Collection[UUID]) -> None:
        """All that was told of the shops is sealed, and found to agree: entries, chain, wallets
        and lots."""


class InMemory(Place):
    kind = "memory"

    def open(self, adapters: Adapters) -> tuple[Units[Any], Units[Any]]:
        """New ones for each story: a transaction copies all that there is."""
        units: MemoryUnits[Any] = MemoryUnits(adapters.memory, self.clock, IDS)
        return units, units

    async def verify(self, shops: Collection[UUID]) -> None:
        """It seals nothing, and each story's is gone with it."""


class OnServer(Place):
    """Opened once: a story makes shops of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: tuple[Units[Any], Units[Any]] | None = None
        self._stack = AsyncExitStack()

    def open(self, adapters: Adapters) -> tuple[Units[Any], Units[Any]]:
        if self._opened is None:
            self._opened = (self._enter(adapters, True), self._enter(adapters, False))
        return self._opened

    def close(self) -> None:
        self.run(self._stack.aclose())
        super().close()

    def _enter(self, adapters: Adapters, across_shops: bool) -> Units[Any]:
        opening = self._open(adapters, across_shops=across_shops)
        return self.run(self._stack.enter_async_context(opening)).units

    @abstractmethod
    def _open(self, adapters: Adapters, **how: Any) -> AbstractAsyncContextManager[Store]: ...


class OnPostgres(OnServer):
    kind = "postgres"

    def __init__(self, servers: Servers) -> None:
        super().__init__()
        self._servers = servers

    def _open(self, adapters: Adapters, **how: Any) -> AbstractAsyncContextManager[Store]:
        return on_postgres(self._servers, clock=self.clock, stores=adapters.postgres, **how)

    async def verify(self, shops: Collection[UUID]) -> None:
        async with on_postgres(self._servers, stores=PostgresChain) as sealing:
            await seal_entries(sealing.units)
        database = Database(self._servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=1)
        try:
            for shop in shops:
                async with database.transaction(AS_OF_NOW) as connection:
                    await _agrees(PostgresChainReader(connection), shop)
        finally:
            await database.close()


class OnMongo(OnServer):
    kind = "mongo"

    def __init__(self, server: MongoServer, servers: Servers) -> None:
        super().__init__()
        self._server, self._servers = server, servers

    def _open(self, adapters: Adapters, **how: Any) -> AbstractAsyncContextManager[Store]:
        stores = adapters.mongo
        return on_mongo(self._server, self._servers, clock=self.clock, stores=stores, **how)

    async def verify(self, shops: Collection[UUID]) -> None:
        async with on_mongo(self._server, self._servers, stores=MongoChain) as sealing:
            await seal_entries(sealing.units)
        database = MongoDatabase(self._server.url, "points", OF_POINTS)
        try:
            for shop in shops:
                await _agrees(MongoChainReader(database), shop)
        finally:
            await database.close()


async def _agrees(reader: ChainReader, shop: UUID) -> None:
    proof = await verify(reader, shop)
    assert proof.first is None, f"{shop}: {proof.first}"
    assert proof.unsealed == 0


class Told(RuleBasedStateMachine):
    """A story that is told to ``place`` and to a model; subclasses say which ``adapters`` it asks,
    add to ``steps`` whenever they have compared the two, and to ``shops`` whom it is about."""

    adapters: ClassVar[Adapters]
    place: ClassVar[Place]
    steps: ClassVar[int]
    shops: ClassVar[set[UUID]]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.place.run(work)


def tell(stories: type[Told], place: Place, steps: int) -> None:
    """Tells as many as ``steps`` take, and verifies what is there in the end."""
    told = type(stories.__name__, (stories,), {"place": place, "steps": 0, "shops": set()})
    assert issubclass(told, Told)
    while told.steps < steps:
        run_state_machine_as_test(
            told,
            settings=settings(
                max_examples=max(1, (steps - told.steps) // _STEPS_OF_A_STORY),
                stateful_step_count=_STEPS_OF_A_STORY,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert told.shops
    place.run(place.verify(told.shops))
    print(f"{stories.__name__}, {place.kind}: {told.steps:,} steps without a difference")
