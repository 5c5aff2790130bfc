"""Whatever happens in whatever order, the points are those of the model; on every store.

`./dev.sh soak` does the same for longer.
"""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from adapters.mongo.chain import MongoChain, MongoChainReader
from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.postgres.chain import AS_OF_NOW, PostgresChain, PostgresChainReader
from adapters.postgres.database import Database
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.chain import ChainReader
from ports.ledger import Ledger
from ports.unit import Units
from services.points.chaining import seal_entries, verify
from tests.ports.stores import in_memory, on_mongo, on_postgres
from tests.services.given import StandingClock
from tests.stateful.story import Story

_STEPS_OF_A_STORY = 50


@pytest.mark.parametrize("store", ["memory", "postgres", "mongo"])
def test_the_ledger_is_where_the_model_is(
    store: str, servers: Servers, request: pytest.FixtureRequest
) -> None:
    """Without an event loop of its own, because hypothesis has none."""
    steps: int = request.config.getoption("--story-steps")
    loop = asyncio.new_event_loop()
    clock = StandingClock()
    stack = AsyncExitStack()

    def opened() -> Units[Ledger]:
        if store == "memory":
            return in_memory(clock)  # new for each story: it copies all that it has
        return on_server.units

    if store == "postgres":
        on_server = loop.run_until_complete(
            stack.enter_async_context(on_postgres(servers, clock=clock))
        )
    elif store == "mongo":
        server: MongoServer = request.getfixturevalue("mongo")
        on_server = loop.run_until_complete(
            stack.enter_async_context(on_mongo(server, servers, clock=clock))
        )

    class Told(Story):
        shops: ClassVar[set[UUID]] = set()

        def teardown(self) -> None:
            self.shops.add(self.shop)

    Told.opened = staticmethod(opened)
    Told.clock, Told.loop = clock, loop
    try:
        while Told.steps < steps:
            run_state_machine_as_test(
                Told,
                settings=settings(
                    max_examples=max(1, (steps - Told.steps) // _STEPS_OF_A_STORY),
                    stateful_step_count=_STEPS_OF_A_STORY,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        if store == "postgres":
            loop.run_until_complete(verified_on_postgres(servers, Told.shops))
        elif store == "mongo":
            mongo: MongoServer = request.getfixturevalue("mongo")
            loop.run_until_complete(verified_on_mongo(mongo, servers, Told.shops))
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()
    print(f"{store}: {Told.steps:,} steps without a difference")


async def verified_on_postgres(servers: Servers, shops: Collection[UUID]) -> None:
    async with on_postgres(servers, stores=PostgresChain) as sealing:
        await seal_entries(sealing.units)
    assert shops
    database = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=1)
    try:
        for shop in shops:
            async with database.transaction(AS_OF_NOW) as connection:
                await agrees(PostgresChainReader(connection), shop)
    finally:
        await database.close()


async def verified_on_mongo(server: MongoServer, servers: Servers, shops: Collection[UUID]) -> None:
    async with on_mongo(server, servers, stores=MongoChain) as sealing:
        await seal_entries(sealing.units)
    assert shops
    database = MongoDatabase(server.url, "points", OF_POINTS)
    try:
        for shop in shops:
            await agrees(MongoChainReader(database), shop)
    finally:
        await database.close()


async def agrees(reader: ChainReader, shop: UUID) -> None:
    """All is sealed, and found to agree: entries, chain, wallets and lots."""
    proof = await verify(reader, shop)
    assert proof.first is None, f"{shop}: {proof.first}"
    assert proof.unsealed == 0
