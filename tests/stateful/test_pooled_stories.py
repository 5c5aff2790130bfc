"""Whatever happens in stores that share a balance, no point is made or lost; on every store."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.mongo.rewards import MongoRedeeming
from adapters.postgres.rewards import PostgresRedeeming
from infra.embedded.servers import Servers
from ports.unit import Units
from tests.ports.stores import IDS, on_mongo, on_postgres
from tests.services.given import StandingClock
from tests.services.sharing import Stores
from tests.stateful.pooled_story import PooledStory
from tests.stateful.test_stories import verified_on_mongo, verified_on_postgres

_STEPS_OF_A_STORY = 50


@pytest.mark.parametrize("store", ["memory", "postgres", "mongo"])
def test_what_stores_share_is_where_the_model_is(
    store: str, servers: Servers, request: pytest.FixtureRequest
) -> None:
    steps: int = request.config.getoption("--story-steps")
    loop = asyncio.new_event_loop()
    clock = StandingClock()
    stack = AsyncExitStack()

    def units_of(*, across_shops: bool) -> Units[Any]:
        if store == "postgres":
            opening = on_postgres(
                servers, across_shops=across_shops, clock=clock, stores=PostgresRedeeming
            )
        else:
            mongo = request.getfixturevalue("mongo")
            opening = on_mongo(
                mongo, servers, across_shops=across_shops, clock=clock, stores=MongoRedeeming
            )
        return loop.run_until_complete(stack.enter_async_context(opening)).units

    if store == "memory":

        def opened() -> Stores:
            units: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, clock, IDS)
            return Stores(units, units, clock)

    else:
        every, own = units_of(across_shops=True), units_of(across_shops=False)

        def opened() -> Stores:
            return Stores(every, own, clock)

    class Told(PooledStory):
        shops: ClassVar[set[UUID]] = set()

        def teardown(self) -> None:
            self.shops.update(each.merchant for each in self.stores.all)

    Told.opened = staticmethod(opened)
    Told.loop = loop
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
            mongo = request.getfixturevalue("mongo")
            loop.run_until_complete(verified_on_mongo(mongo, servers, Told.shops))
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()
    print(f"{store}: {Told.steps:,} steps without a difference")
