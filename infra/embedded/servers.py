"""NATS, PostgreSQL and Valkey of one home, for `up`, tests, benchmarks and crash tests alike.

    async with Servers(tmp_path) as servers:
        settings = servers.environment()
        await servers.kill("nats")
        await servers.start("nats")

Use it in the main thread: the servers end when the thread that started them does.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.embedded import ports, secrets
from infra.embedded.home import Home
from infra.embedded.lock import HomeLock
from infra.embedded.nats import NatsServer
from infra.embedded.postgres import PostgresServer
from infra.embedded.processes import RunFile, end_leftovers
from infra.embedded.server import Server
from infra.embedded.valkey import ValkeyServer

NAMES = ("nats", "postgres", "valkey")
STOP_ORDER = ("valkey", "nats", "postgres")
KINDS: Mapping[str, type[Server]] = {
    kind.name: kind for kind in (NatsServer, PostgresServer, ValkeyServer)
}


class Servers:
    """The servers of a home; as a context manager it owns the home while it is open.

    `wanted` are ports somebody asks for (`nats`, `postgres`, `valkey`, `http`, `ops`); the others
    are kept from the last start, or free ones. `more_ports` names further ports to allot.
    """

    def __init__(
        self,
        home: Path,
        *,
        wanted: Mapping[str, int] | None = None,
        names: Sequence[str] = NAMES,
        more_ports: Sequence[str] = (),
    ) -> None:
        self.home = Home(home.absolute())
        self.ports: dict[str, int] = {}
        self.leftovers: list[RunFile] = []  # what an earlier run had left running, now ended
        self.fresh = False  # whether the home was empty before
        self._wanted = dict(wanted or {})
        self._names = tuple(names)
        self._more_ports = tuple(more_ports)
        self._lock = HomeLock(self.home)
        self._servers: dict[str, Server] = {}
        self._secrets: secrets.Secrets | None = None

    async def __aenter__(self) -> Self:
        self.open()
        try:
            async with asyncio.TaskGroup() as group:
                for name in self._names:
                    group.create_task(self.start(name))
        except BaseExceptionGroup as errors:
            await self._shut()
            raise first(errors) from None
        except BaseException:
            await self._shut()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._shut()

    def open(self) -> None:
        """Takes the home, clears up after a crash and allots the ports; starts nothing."""
        self.home.create()
        self._lock.acquire()
        try:
            self.leftovers = end_leftovers(self.home)
            self.fresh = not any(self.home.data.iterdir())
            self._secrets = secrets.load(self.home)
            names = ["http", "ops", *NAMES, *self._more_ports]
            self.ports = ports.allot(self.home, names, self._wanted)
            self._servers = {
                name: KINDS[name](self.home, self.ports[name], self._secrets)
                for name in self._names
            }
        except BaseException:
            self._lock.release()
            raise

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers.values())

    async def start(self, name: str) -> None:
        """Starts one server and waits until it answers."""
        await self._servers[name].start()

    async def stop(self, name: str) -> None:
        """Ends one server in order."""
        await self._servers[name].stop()

    async def kill(self, name: str) -> None:
        """Ends one server with SIGKILL."""
        await self._servers[name].kill()

    def environment(self, nats_user: str = "") -> dict[str, str]:
        """The settings by which services find these servers, ports, keys and this home; and NATS
        as one of its users (``infra.mesh.users``), or else as one who may everything."""
        if self._secrets is None:
            raise RuntimeError("the home is not open")
        known = {
            "LOYALNEST_HOME": str(self.home.path),
            "LOYALNEST_HTTP_PORT": str(self.ports["http"]),
            "LOYALNEST_OPS_PORT": str(self.ports["ops"]),
            "LOYALNEST_MASTER_KEY_FILE": str(self._secrets.master_key_file),
            "LOYALNEST_JWT_KEY_FILE": str(self._secrets.jwt_key_file),
            "LOYALNEST_SHOPIFY_CLIENT_ID": self._secrets.shopify_client_id,
            "LOYALNEST_SHOPIFY_CLIENT_SECRET": self._secrets.shopify_client_secret,
        }
        for server in self:
            known[f"LOYALNEST_{server.name.upper()}_URL"] = server.url
            if nats_user and isinstance(server, NatsServer):
                known["LOYALNEST_NATS_URL"] = server.url_of(nats_user)
        return known

    async def _shut(self) -> None:
        for name in STOP_ORDER:
            if name in self._servers:
                await self.stop(name)
        self._lock.release()


def first(errors: BaseExceptionGroup) -> BaseException:
    """The first error of a group: one line is what the reader needs."""
    error = errors.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error
