"""The stores of points, one after the other, for every suite of a port that has several."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from typing import Final
from uuid import uuid4

import pytest

from adapters.mongo.drivers import MOTOR, PYMONGO
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.transaction import Transaction
from adapters.postgres.connection import Connection
from adapters.postgres.ledger import PostgresLedger
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.ledger import Ledger, WalletKey
from ports.unit import Units
from tests.ports.stores import Store, in_memory, on_mongo, on_postgres

Storage = tuple[MongoServer, str] | str

_DRIVERS: Final = {"mongo": PYMONGO} | ({MOTOR: MOTOR} if find_spec(MOTOR) else {})


def _storage(request: pytest.FixtureRequest) -> Storage:
    """MongoDB itself, because it is started only for those who want it, with what speaks to it."""
    if request.param in _DRIVERS:
        return request.getfixturevalue("mongo"), _DRIVERS[request.param]
    return str(request.param)


storage = pytest.fixture(params=["memory", "postgres", *_DRIVERS])(_storage)
lasting = pytest.fixture(params=["postgres", *_DRIVERS])(_storage)
kept = pytest.fixture(params=["postgres", *_DRIVERS], scope="module")(_storage)


def opened_on(
    storage: Storage,
    servers: Servers,
    postgres: Callable[[Connection], object] = PostgresLedger,
    mongo: Callable[[Transaction], object] = MongoLedger,
) -> AbstractAsyncContextManager[Store]:
    """A store that lasts, with these adapters."""
    if isinstance(storage, str):
        return on_postgres(servers, stores=postgres)
    server, driver = storage
    return on_mongo(server, servers, driver=driver, stores=mongo)


@pytest.fixture
async def units(storage: Storage, servers: Servers) -> AsyncIterator[Units[Ledger]]:
    """Transactions of points, in every store there is, that see every shop."""
    if storage == "memory":
        yield in_memory()
        return
    async with opened_on(storage, servers) as opened:
        yield opened.units


@pytest.fixture
async def store(lasting: Storage, servers: Servers) -> AsyncIterator[Store]:
    """A store that lasts, with its outbox and what publishes it."""
    async with opened_on(lasting, servers) as opened:
        yield opened


@pytest.fixture
def wallet() -> WalletKey:
    """Of nobody yet."""
    return WalletKey(uuid4(), uuid4())
