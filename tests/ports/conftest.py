"""The stores of points, one after the other, for every suite of a port that has several."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.ledger import Ledger
from ports.unit import Units
from tests.ports.stores import Store, in_memory, on_mongo, on_postgres

Storage = MongoServer | str


def _storage(request: pytest.FixtureRequest) -> Storage:
    """MongoDB itself, because it is started only for those who want it."""
    if request.param == "mongo":
        server: MongoServer = request.getfixturevalue("mongo")
        return server
    return str(request.param)


storage = pytest.fixture(params=["memory", "postgres", "mongo"])(_storage)
lasting = pytest.fixture(params=["postgres", "mongo"])(_storage)


def _on(storage: Storage, servers: Servers) -> AbstractAsyncContextManager[Store]:
    return on_mongo(storage, servers) if isinstance(storage, MongoServer) else on_postgres(servers)


@pytest.fixture
async def units(storage: Storage, servers: Servers) -> AsyncIterator[Units[Ledger]]:
    """Transactions of points, in every store there is, that see every shop."""
    if storage == "memory":
        yield in_memory()
        return
    async with _on(storage, servers) as opened:
        yield opened.units


@pytest.fixture
async def store(lasting: Storage, servers: Servers) -> AsyncIterator[Store]:
    """A store that lasts, with its outbox and what publishes it."""
    async with _on(lasting, servers) as opened:
        yield opened
