"""Starts the whole stack, watches it, starts again what dies, and stops it in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.embedded import ports, state
from infra.embedded.child import Child, describe_end
from infra.embedded.demo_admin import BASE_SETTING, PORT_SETTING, DemoAdmin, api_base
from infra.embedded.errors import EmbeddedError
from infra.embedded.home import Home, write_json
from infra.embedded.server import Server
from infra.embedded.servers import Servers, first
from infra.embedded.services import Service, until_ready
from infra.mesh.users import ALL
from services import SERVICES

HEALTHY_PATIENCE = 60.0  # seconds
DEMO = "LOYALNEST_DEMO"
NATS_URL = "LOYALNEST_NATS_URL"
BACKOFF_FIRST = 0.2
BACKOFF_MOST = 10.0
STEADY = 30.0  # seconds after which a process counts as recovered
SERVE: tuple[str, ...] = (sys.executable, "-m", "infra.cli.main", "serve")
ADMIN: tuple[str, ...] = (sys.executable, "-m", "infra.demo_shop.admin")
SEED: tuple[str, ...] = (sys.executable, "-m", "infra.cli.seed")

Say = Callable[[str], None]


class Supervisor:
    """The stack of one home, run by this process until a signal ends it.

    `say` takes one line at a time; `healthy` is called once, with every address.
    """

    def __init__(
        self,
        home: Path,
        *,
        processes: bool = False,
        demo: bool = True,
        say: Say,
        healthy: Callable[[Mapping[str, str]], None],
    ) -> None:
        self.home = Home(home.absolute())
        self._names = SERVICES if processes else ("all",)
        self._processes = processes
        self._demo = demo
        self._say = say
        self._tell_healthy = healthy
        self._state = state.State()
        self._is_healthy = False

    async def run(self) -> None:
        """Runs until SIGINT or SIGTERM; raises EmbeddedError when it cannot start."""
        work = asyncio.ensure_future(self._work())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop, work)
        with contextlib.suppress(asyncio.CancelledError):
            await work

    def _stop(self, work: "asyncio.Future[None]") -> None:
        if self._state.phase != "stopping":
            self._state.phase = "stopping"
            self._say("Stopping …")
            work.cancel()

    async def _work(self) -> None:
        family = {name: f"ops.{name}" if self._processes else "ops" for name in self._names}
        # This stack is for development: log-ins without a Shopify account are part of it.
        demo = os.environ.get(DEMO) or "true"
        with_admin = demo.lower() in ("1", "true") and not os.environ.get(BASE_SETTING)
        more_ports = [name for name in family.values() if name != "ops"]
        servers = Servers(
            self.home.path,
            wanted=ports.wanted_from_environment(),
            more_ports=[*more_ports, "shopify"] if with_admin else more_ports,
        )
        async with servers:
            for leftover in servers.leftovers:
                self._say(f"Ended {leftover.name} (pid {leftover.pid}) of an earlier run.")
            known = servers.environment(ALL) | {DEMO: demo}
            if with_admin:
                port = servers.ports["shopify"]
                known |= {PORT_SETTING: str(port), BASE_SETTING: api_base(port)}
            write_json(self.home.environment, known)
            environment = {**os.environ, **known, "PYTHONUNBUFFERED": "1"}
            services = [
                Service(
                    self.home,
                    name,
                    servers.ports[family[name]],
                    {**environment, **_as_itself(servers, name)},
                    SERVE,
                )
                for name in self._names
            ]
            if with_admin:
                services.append(DemoAdmin(self.home, servers.ports["shopify"], environment, ADMIN))
            used = {name: port for name, port in servers.ports.items() if "." not in name}
            if self._processes:
                del used["ops"]
                used |= {family[name]: servers.ports[family[name]] for name in self._names}
            self._state.addresses = state.addresses(self.home, used)
            try:
                await self._watch(servers, services, environment)
            except BaseExceptionGroup as errors:
                raise first(errors) from None
            finally:
                self._state.phase = "stopping"
                self._state.write(self.home)
                await asyncio.gather(*(service.stop() for service in services))
                self.home.environment.unlink(missing_ok=True)

    async def _watch(
        self, servers: Servers, services: list[Service], environment: Mapping[str, str]
    ) -> None:
        """Starts the services and keeps everything running, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for service in services:
                await service.start()
            everything: list[Server | Service] = [*servers, *services]
            self._state.processes = [
                state.ProcessState(
                    unit.name,
                    unit.kind if isinstance(unit, Service) else "server",
                    unit.port,
                    unit.child.pid,
                    unit.child.since,
                )
                for unit in everything
            ]
            self._state.write(self.home)
            for unit, shown in zip(everything, self._state.processes, strict=True):
                group.create_task(self._guard(unit, shown))
            await self._until_healthy(servers, services)
            seeding = self._wants_seed(servers.fresh)
            self._state.demo = "seeding" if seeding else "kept" if self._demo else "off"
            self._state.phase = "healthy"
            self._state.write(self.home)
            self._tell_healthy(self._state.addresses)
            if seeding:
                group.create_task(self._run_seed(environment))

    async def _until_healthy(self, servers: Servers, services: list[Service]) -> None:
        wanted = {service.name: service.port for service in services}
        wanted["the gateway"] = servers.ports["http"]
        late = await until_ready(wanted, HEALTHY_PATIENCE)
        if late:
            said = [line for s in services if s.name in late for line in s.child.said()]
            said = said or [line for service in services[:1] for line in service.child.said()]
            raise EmbeddedError(
                "\n    ".join(
                    [
                        f"Not healthy after {HEALTHY_PATIENCE:.0f} s: {', '.join(late)}; "
                        f"the logs are in {self.home.logs}.",
                        *said,
                    ]
                )
            )
        self._is_healthy = True

    async def _guard(self, unit: Server | Service, shown: state.ProcessState) -> None:
        """Starts a process again whenever it ends, waiting longer each time it does not last."""
        delay = BACKOFF_FIRST
        while True:
            code = await unit.child.wait()
            if not self._is_healthy and code >= 0:
                what = f"{unit.title} {describe_end(code)} while starting"
                raise EmbeddedError(
                    "\n    ".join([f"{what}; its log is {unit.child.log}.", *unit.child.said()])
                )
            lasted = time.time() - unit.child.since
            delay = BACKOFF_FIRST if lasted > STEADY else min(delay * 2, BACKOFF_MOST)
            self._say(f"{unit.title} {describe_end(code)}; starting it again in {delay:.1f} s.")
            shown.pid, shown.restarts = None, shown.restarts + 1
            self._state.write(self.home)
            await asyncio.sleep(delay)
            try:
                await unit.start()
            except EmbeddedError as error:
                self._say(str(error))
            shown.pid, shown.since = unit.child.pid, unit.child.since
            self._state.write(self.home)

    def _wants_seed(self, fresh: bool) -> bool:
        """Whether the demo shop is to be put in: into an empty home, and again if that failed."""
        if not self._demo:
            return False
        if fresh:
            self.home.seed_pending.touch(mode=0o600)
        return self.home.seed_pending.exists()

    async def _run_seed(self, environment: Mapping[str, str]) -> None:
        """Puts the demo shop in, in a process of its own: what it loads does not stay."""
        child = Child(self.home, "demo-shop", signal.SIGTERM)
        try:
            await child.start(SEED, environment)
            code = await child.wait()
        except EmbeddedError as error:
            self._say(str(error))
            code = 1
        finally:
            await child.stop(1.0)
        if code == 0:
            self.home.seed_pending.unlink(missing_ok=True)
            self._say("The demo shop is in.")
        else:
            self._say(f"The demo shop could not be put in; see {child.log}. `loyalnest demo` can.")
        self._state.demo = "seeded" if code == 0 else "failed"
        self._state.write(self.home)


def _as_itself(servers: Servers, name: str) -> dict[str, str]:
    """A process with one service may do over NATS what that service does, and no more."""
    if name not in SERVICES:
        return {}
    return {NATS_URL: servers.environment(name)[NATS_URL]}
