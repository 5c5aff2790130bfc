"""Real NATS, PostgreSQL, Valkey and MongoDB for every test that wants them, started once."""

import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

import hypothesis
import pytest
import pytest_asyncio
import uvloop

from adapters.runtime.host import Process
from adapters.runtime.settings import MONGO, Settings
from infra.embedded import ports
from infra.embedded.errors import EmbeddedError
from infra.embedded.home import Home
from infra.embedded.mongo import MongoServer
from infra.embedded.ports import free_port
from infra.embedded.secrets import load
from infra.embedded.servers import Servers
from tests import rests

AnswerT = TypeVar("AnswerT")
Run = Callable[..., AbstractAsyncContextManager[Process]]

MOST_WORKERS: Final = 4  # each has servers of its own, about a gigabyte in all
PATIENCE: Final = 60.0
"""Seconds; a busy machine takes its time, and what goes well never waits as long."""
_PAUSES: Final = (0.01, 0.02, 0.03, 0.05, 0.1)
"""Seconds from one question to the next, the last of them from then on: to ask is work, too."""
_LINES: Final = pytest.StashKey[list[str]]()
_SENT: Final = "counted"  # what a worker sends at its end


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--story-steps",
        type=int,
        default=300,
        help="how many steps of each kind of story tests/stateful tells each store",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole suite uses the processors there are; what is named on the command line runs in this
    process, with its names and output."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    return min(os.cpu_count() or 1, MOST_WORKERS)


def pytest_configure(config: pytest.Config) -> None:
    """The event loop is the one of the services. Workers look for free ports at the same moment:
    each has others to choose from."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    # How long an example takes says how busy the machine is.
    hypothesis.settings.register_profile("on a busy machine", deadline=None)
    hypothesis.settings.load_profile("on a busy machine")
    if hasattr(config, "workerinput"):
        worker, workers = config.workerinput["workerid"], config.workerinput["workercount"]
        own = ports.CHOICE[int(worker.removeprefix("gw")) :: workers]
        ports.turns = itertools.cycle(random.sample(own, len(own)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no worker is left alone with it at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def counted(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a line for the end of the run."""
    return pytestconfig.stash.setdefault(_LINES, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_SENT] = session.config.stash.get(_LINES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    lines = node.config.stash.setdefault(_LINES, [])
    lines += getattr(node, "workeroutput", {}).get(_SENT, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash.get(_LINES, []):
        terminalreporter.write_line(line)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    async with Servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mongo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MongoServer]:
    """A real mongod, started with the first test that wants it. Skips where it cannot run, but not
    in CI."""
    home = Home(tmp_path_factory.mktemp("mongo"))
    home.create()
    server = MongoServer(home, free_port(set()), load(home))
    try:
        await server.start()
    except EmbeddedError as error:
        reason = f"There is no MongoDB here: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest, servers: Servers) -> dict[str, str]:
    """The settings of a service process that uses the servers of the tests. With
    ``LOYALNEST_POINTS_STORE=mongo`` in the environment of the tests, points are there."""
    settings = servers.environment() | {"LOYALNEST_DEMO": "1", "LOYALNEST_LOG_LEVEL": "warning"}
    if os.environ.get("LOYALNEST_POINTS_STORE") == MONGO:
        mongo: MongoServer = request.getfixturevalue("mongo")
        settings |= {"LOYALNEST_POINTS_STORE": MONGO, "LOYALNEST_MONGO_URL": mongo.url}
    return settings


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Run:
    """``async with run("points", "rfm") as process`` runs services in the test's event loop; their
    loops rest no longer than ``eventually`` lets them."""

    @asynccontextmanager
    async def running(*names: str, **settings: str) -> AsyncIterator[Process]:
        more = {f"LOYALNEST_{name.upper()}": value for name, value in settings.items()}
        own = {
            "LOYALNEST_HTTP_PORT": str(free_port(set())),
            "LOYALNEST_OPS_PORT": str(free_port(set())),
        }
        process = Process(names, Settings.from_environment(environment | own | more), rests.rest)
        await process.start()
        try:
            yield process
        finally:
            await process.stop()

    return running


async def eventually(
    ask: Callable[[], Awaitable[AnswerT]],
    holds: Callable[[AnswerT], bool] = bool,
    seconds: float | None = None,
    ignore: Sequence[type[Exception]] = (),
) -> AnswerT:
    """Ask until the answer ``holds``; the last answer or error is in the failure.

    With ``seconds`` this is a promise: the loops of the services go round as they always do.
    Without, no loop rests for long meanwhile, and a busy machine has all the time it needs.
    """
    clock = asyncio.get_running_loop().time
    started, patience = clock(), PATIENCE if seconds is None else seconds
    pauses = itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1]))
    while True:
        last: object
        try:
            answer = await ask()
            if holds(answer):
                return answer
            last = answer
        except tuple(ignore) as error:
            last = error
        waited = clock() - started
        if waited > patience:
            raise AssertionError(f"still not after {patience} s: {last!r}")
        if seconds is None and waited > _PAUSES[-1]:
            rests.cut_short()
        await asyncio.sleep(next(pauses))
