"""Running services in one process: connect, prepare, start, watch, stop and lose nothing."""

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import uvloop
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from redis.asyncio import Redis

from adapters.crypto.keyfile import BadKeyFile
from adapters.http.server import PortBusy, WebServer
from adapters.nats.client import NatsMesh
from adapters.nats.connection import connect
from adapters.nats.consumer import Consumer
from adapters.nats.discovery import Discovery
from adapters.nats.publisher import Publisher
from adapters.nats.server import RpcServer
from adapters.nats.streams import ensure_streams
from adapters.nats.vouching import Vouching
from adapters.postgres.database import Database
from adapters.postgres.tenancy import Unwalled
from adapters.runtime.ops import ops_app
from adapters.runtime.service import Loop, Service
from adapters.runtime.settings import BadSettings, Settings
from adapters.runtime.world import World
from adapters.system import SystemClock, UuidV7
from adapters.tasks import end_all
from adapters.telemetry import logs, tracing
from domain.errors import LoyaltyError, Unavailable

if TYPE_CHECKING:
    from adapters.mongo.database import MongoDatabase

log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 30.0
LAG_EVERY_SECONDS: Final = 5.0
_COLLECT_AFTER: Final = 100_000
"""New objects between two looks of the garbage collector. A large batch has some twenty thousand at
a time, none of them garbage."""

Rest = Callable[[float], Awaitable[None]]
"""Waits for so many seconds, as a loop does between two of its runs."""


class _Running:
    """One service of this process while it runs."""

    def __init__(self, world: World, service: Service, started: datetime, rest: Rest) -> None:
        self.service = service
        self._world = world
        self._rest = rest
        self._rpc = RpcServer(world.client, service.name, service.endpoints, world.vouching)
        instance = str(world.ids.new())
        self._discovery = Discovery(world.client, service.name, instance, started, self._rpc)
        self.consumers = [
            Consumer[Any](world.client, world.js, world.publisher, service.name, consumes)
            for consumes in service.consumes
        ]
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        for start in self.service.on_start:
            await start()
        if relay := self._world.relays.get(self.service.name):
            relay.start()
        await self._rpc.start()
        for consumer in self.consumers:
            await consumer.start()
        self._loops = [
            asyncio.create_task(_repeat(self.service.name, loop, self._rest), name=loop.name)
            for loop in (*self.service.loops, Loop("consumer lag", LAG_EVERY_SECONDS, self._lag))
        ]
        await self._discovery.start()

    async def stop(self) -> None:
        """In the order in which nothing is lost: no new work, finish the old, publish, close."""
        await self._discovery.stop()
        await end_all(self._loops)
        await asyncio.gather(*(consumer.stop() for consumer in self.consumers))
        await self._rpc.stop()
        for stop in self.service.on_stop:
            await stop()
        if relay := self._world.relays.get(self.service.name):
            await relay.stop()
        for storage in self._storages():
            await storage.close()

    async def state(self) -> str:
        try:
            if not self._world.client.is_connected:
                return "NATS is away"
            for storage in self._storages():
                await storage.ready()
            for check in self.service.checks:
                await check()
        except LoyaltyError as error:
            return error.detail
        except Exception as error:
            return type(error).__name__
        return "ok"

    def _storages(self) -> "Sequence[Database | MongoDatabase]":
        return [each for each in self._world.storages if each.service == self.service.name]

    async def _lag(self) -> None:
        for consumer in self.consumers:
            try:
                await consumer.measure_lag()
            except NotFoundError:  # the server has lost its store
                await ensure_streams(self._world.js, self._world.settings.stream_replicas)
                return
            except (NatsError, JetStreamError, TimeoutError):
                return  # NATS is away; the next round measures again


async def _repeat(service: str, loop: Loop, rest: Rest) -> None:
    while True:
        try:
            await loop.run()
        except Unavailable:
            log.info("%s: %s waits for what it needs", service, loop.name)
        except Exception:
            log.exception("%s: %s failed and will run again", service, loop.name)
        await rest(loop.every)


class Process:
    """Some services, running in this event loop. Tests start and stop several of these, and have
    ``rest`` end early when they wait for what a loop does."""

    def __init__(
        self, names: Sequence[str], settings: Settings, rest: Rest = asyncio.sleep
    ) -> None:
        self._names = tuple(names)
        self._settings = settings
        self._rest = rest
        self._running: list[_Running] = []
        self._servers: list[WebServer] = []
        self.world: World | None = None

    async def start(self) -> None:
        """Raises Unavailable when a server does not answer, PortBusy, BadSettings."""
        settings = self._settings
        client = await _connect_patiently(settings.nats_url, ",".join(self._names))
        publisher = Publisher(client)
        await publisher.start()
        js = client.jetstream(timeout=10)
        await ensure_streams(js, settings.stream_replicas)
        clock = SystemClock()
        vouching = Vouching(settings.app_secrets)
        self.world = world = World(
            settings=settings,
            client=client,
            js=js,
            publisher=publisher,
            mesh=NatsMesh(client, vouching),
            vouching=vouching,
            valkey=Redis.from_url(settings.valkey_url, socket_timeout=2, socket_connect_timeout=2),
            clock=clock,
            ids=UuidV7(),
        )
        services = [_wire(name, world) for name in self._names]
        await asyncio.gather(*(storage.make() for storage in world.storages))
        for storage in world.storages:
            await storage.migrate()
        self._running = [_Running(world, service, clock.now(), self._rest) for service in services]
        await asyncio.gather(*(running.start() for running in self._running))
        for service in services:
            if service.http is not None:
                await self._serve(
                    service.http, settings.http_host, settings.http_port, "LOYALNEST_HTTP_PORT"
                )
        await self._serve(
            ops_app(self.report), settings.ops_host, settings.ops_port, "LOYALNEST_OPS_PORT"
        )

    async def _serve(self, app: Any, host: str, port: int, setting: str) -> None:
        server = WebServer(app, host, port, setting)
        await server.start()
        self._servers.append(server)

    async def report(self) -> Mapping[str, str]:
        states = await asyncio.gather(*(running.state() for running in self._running))
        return {
            running.service.name: state
            for running, state in zip(self._running, states, strict=True)
        }

    async def stop(self) -> None:
        for server in self._servers:
            await server.stop()
        await asyncio.gather(*(running.stop() for running in self._running))
        if self.world is not None:
            await self.world.valkey.aclose()
            client = self.world.client
            # With NATS away there is nobody to drain to; what was not acknowledged comes again.
            # A RuntimeError is how uvloop says that what is left cannot be written any more.
            with contextlib.suppress(NatsError, OSError, RuntimeError):
                await (client.drain() if client.is_connected else client.close())


def _wire(name: str, world: World) -> Service:
    service = importlib.import_module(f"services.{name}.wiring").service(world)
    if not isinstance(service, Service):
        raise TypeError(f"services.{name}.wiring.service() returned no Service")
    return service


async def _connect_patiently(url: str, name: str) -> Any:
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return await connect(url, name)
        except (NatsError, OSError) as error:
            if time.monotonic() > deadline:
                raise Unavailable("NATS does not answer; is it running?") from error
        await asyncio.sleep(0.2)


async def _run(names: Sequence[str], settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    process = Process(names, settings)
    try:
        await process.start()
    except (LoyaltyError, PortBusy, BadKeyFile, Unwalled) as error:
        print(f"loyalnest: {error}", file=sys.stderr)
        return 1
    _spare_the_collector()
    log.info("ready: %s", ", ".join(names))
    await stop.wait()
    log.info("stopping")
    await process.stop()
    tracing.disable()
    return 0


def _spare_the_collector() -> None:
    """What is loaded now stays, so the garbage collector need not look at it again; and a batch
    makes thousands of objects that are no garbage yet, so it need not look so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def run(names: Sequence[str]) -> int:
    """Run services until SIGTERM or SIGINT. Returns the exit code."""
    try:
        settings = Settings.from_environment()
    except BadSettings as error:
        print(f"loyalnest: {error}", file=sys.stderr)
        return 1
    process = names[0] if len(names) == 1 else f"{len(names)} services"
    logs.configure(process, settings.log_level)
    if settings.otlp_endpoint:
        # Imported here: it is heavy and most processes do without.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        tracing.enable(OTLPSpanExporter(endpoint=settings.otlp_endpoint), process=process)
    # Tasks that fail in the middle of a stop would hang the process: bounded by the supervisor.
    return uvloop.run(_run(names, settings)) or os.EX_OK
