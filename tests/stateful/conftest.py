"""Every kind of store, as a place to tell stories to."""

from collections.abc import Iterator

import pytest

from infra.embedded.servers import Servers
from tests.stateful.telling import InMemory, OnMongo, OnPostgres, Place


@pytest.fixture(params=["memory", "postgres", "mongo"])
def place(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Place]:
    """MongoDB is started only for those who want it."""
    place: Place
    match request.param:
        case "memory":
            place = InMemory()
        case "postgres":
            place = OnPostgres(servers)
        case _:
            place = OnMongo(request.getfixturevalue("mongo"), servers)
    yield place
    place.close()


@pytest.fixture
def steps(pytestconfig: pytest.Config) -> int:
    """How many the command line asks for, on each store."""
    steps: int = pytestconfig.getoption("--story-steps")
    return steps
