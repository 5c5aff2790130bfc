"""Servers and services as processes in a home of their own, for as long as a block lasts."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from nats.aio.client import Client
from nats.js import JetStreamContext

from adapters.nats.client import NatsMesh
from adapters.nats.connection import connect
from contracts.auth import REGISTER_MERCHANT, RegisterMerchant
from contracts.caller import service_caller
from contracts.core import GET_SETTINGS, UPDATE_SETTINGS, GetSettings, UpdateSettings
from domain.errors import DeadlineExceeded, NotFound, Unavailable
from infra.demo_shop.delivery import SHOP_DOMAIN
from infra.embedded.child import Child
from infra.embedded.home import CHECKOUT, Home
from infra.embedded.servers import Servers
from infra.embedded.services import until_ready
from infra.mesh.users import ALL
from tests.keys import vouching_of

Layout = tuple[tuple[str, ...], ...]
"""Which services share a process."""

SERVE: Final = (sys.executable, "-m", "infra.cli.main", "serve")
_READY_WITHIN: Final = 60.0
_STOP_WITHIN: Final = 15.0


class NotReady(Exception):
    """The rig did not come up; the text is for a person."""


def layout_of(text: str) -> Layout:
    """``a+b | c`` as processes with their services."""
    return tuple(
        tuple(name.strip() for name in process.split("+") if name.strip())
        for process in text.split("|")
    )


def shown(layout: Layout) -> str:
    return " | ".join("+".join(process) for process in layout)


class Worker:
    """One process with some services."""

    def __init__(
        self, home: Home, services: Sequence[str], ops_port: int, environment: Mapping[str, str]
    ) -> None:
        self.name = services[0] if len(services) == 1 else f"{services[0]}+{len(services) - 1}"
        self.services = tuple(services)
        self.ops_port = ops_port
        self.child = Child(home, f"service-{services[0]}", signal.SIGTERM)
        self._environment = {**environment, "LOYALNEST_OPS_PORT": str(ops_port)}

    async def start(self) -> None:
        await self.child.start([*SERVE, *self.services], self._environment)

    async def stop(self) -> None:
        await self.child.stop(_STOP_WITHIN)


class Stack:
    """``async with Stack(layout) as stack``: healthy, with the demo shop registered.

    ``home`` is a folder to use and leave; without one a temporary one is made and removed.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        home: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.layout = layout
        self._temporary = home is None
        self._path = home or Path(tempfile.mkdtemp(prefix="loyalnest-rig-"))
        self._settings = dict(settings or {})
        self.servers = Servers(
            self._path, more_ports=[f"ops.{number}" for number in range(len(layout))]
        )
        self.workers: dict[str, Worker] = {}
        self.merchant_id = UUID(int=0)
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.servers.__aenter__()
            try:
                await self._start()
            except BaseException:
                await self._stop(None, None, None)
                raise
        except BaseException:
            self._remove()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._stop(kind, error, trace)
        finally:
            self._remove()

    async def _start(self) -> None:
        environment = self.environment()
        for number, services in enumerate(self.layout):
            # As in production: a process may do over NATS what its service does.
            user = services[0] if len(services) == 1 else ALL
            own = environment | {
                "LOYALNEST_NATS_URL": self.servers.environment(user)["LOYALNEST_NATS_URL"]
            }
            worker = Worker(self.servers.home, services, self.servers.ports[f"ops.{number}"], own)
            self.workers[worker.name] = worker
        self._client = await connect(environment["LOYALNEST_NATS_URL"], "rig")
        if self.workers:
            await asyncio.gather(*(worker.start() for worker in self.workers.values()))
            await self.until_ready()
            await self._register()

    async def until_ready(self) -> None:
        """Raises NotReady when a process does not say that it is, and shows what it said last."""
        waiting = {name: worker.ops_port for name, worker in self.workers.items()}
        late = await until_ready(waiting, _READY_WITHIN)
        if late:
            said = [line for name in late for line in self.workers[name].child.said(3)]
            raise NotReady("\n    ".join([f"not ready: {', '.join(late)}", *said]))

    async def _register(self) -> None:
        request = RegisterMerchant(shop_domain=SHOP_DOMAIN, time_zone="America/New_York")
        deadline = time.monotonic() + _READY_WITHIN
        while True:
            try:
                merchant = await self.mesh.call(REGISTER_MERCHANT, request, service_caller("rig"))
                self.merchant_id = merchant.merchant_id
                if any("core" in services for services in self.layout):
                    await self._let_nobody_earn_more()
                return
            except (Unavailable, DeadlineExceeded, NotFound):
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)

    async def _let_nobody_earn_more(self) -> None:
        """What a tier multiplies depends on what was known when an order earned. Without that, the
        same deliveries make the same points in any order, and can be compared to the point."""
        caller = service_caller("rig", self.merchant_id)
        program = (await self.mesh.call(GET_SETTINGS, GetSettings(), caller)).settings
        tiers = tuple(replace(tier, multiplier=Decimal(1)) for tier in program.tiers.tiers)
        plain = replace(program, tiers=replace(program.tiers, tiers=tiers))
        await self.mesh.call(UPDATE_SETTINGS, UpdateSettings(settings=plain), caller)

    async def stop_services(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers.values()))

    async def _stop(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()
        await self.stop_services()
        await self.servers.__aexit__(kind, error, trace)

    def _remove(self) -> None:
        if self._temporary:
            shutil.rmtree(self._path, ignore_errors=True)

    @property
    def client(self) -> Client:
        if self._client is None:
            raise RuntimeError("the rig is not running")
        return self._client

    @property
    def js(self) -> JetStreamContext:
        return self.client.jetstream(timeout=5)

    @property
    def mesh(self) -> NatsMesh:
        return NatsMesh(self.client, vouching_of(self.environment()))

    @property
    def http_port(self) -> int:
        return self.servers.ports["http"]

    @property
    def secret(self) -> str:
        return self.environment()["LOYALNEST_SHOPIFY_CLIENT_SECRET"]

    def environment(self) -> dict[str, str]:
        """What a service process of this rig is given."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOYALNEST_")}
        return (
            inherited
            | self.servers.environment()
            | {
                "LOYALNEST_DEMO": "1",
                "LOYALNEST_LOG_LEVEL": "warning",
                # The load is one address and one shop: it is counted, but not stopped.
                "LOYALNEST_RATE_LIMIT_PERCENT": "1000000",
                "LOYALNEST_ADDRESS_PER_SECOND": "1000000",
                "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": str(CHECKOUT),
            }
            | self._settings
        )

    def pids(self) -> dict[str, int]:
        """The number of every process that runs, by name."""
        children = {server.name: server.child for server in self.servers}
        children |= {name: worker.child for name, worker in self.workers.items()}
        return {name: child.pid for name, child in children.items() if child.pid is not None}
