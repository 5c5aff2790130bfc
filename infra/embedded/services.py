"""The LoyalNest services as processes of the stack: all in one, or one each."""

import asyncio
import signal
from collections.abc import Mapping, Sequence

from infra.embedded.child import Child
from infra.embedded.home import Home
from infra.embedded.server import converse

STOP_PATIENCE = 20.0  # seconds for draining what is in flight


class Service:
    """One process that serves some services, with its own ops port."""

    kind = "service"

    def __init__(
        self, home: Home, name: str, port: int, environment: Mapping[str, str], serve: Sequence[str]
    ) -> None:
        self.name = name
        self.title = "The services" if name == "all" else f"Service {name}"
        self.port = port
        self.child = Child(home, f"service-{name}", signal.SIGTERM)
        self._command = [*serve, name]
        self._environment = {**environment, "LOYALNEST_OPS_PORT": str(port)}

    async def start(self) -> None:
        """Starts the process; it is of use once it is ready."""
        await self.child.start(self._command, self._environment)

    async def stop(self) -> None:
        """Lets it finish what it has begun, and ends it."""
        await self.child.stop(STOP_PATIENCE)

    async def ready(self) -> bool:
        """Whether it says so on its ops port."""
        return await is_ready(self.port)


async def is_ready(port: int) -> bool:
    """Whether `GET /ready` on a loopback port is answered with 200."""
    request = b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = await converse(port, request, lines=1, patience=5.0)
    return answer.split(b" ")[1:2] == [b"200"]


async def until_ready(ports: Mapping[str, int], patience: float) -> list[str]:
    """Waits until every port is ready; answers the names of those that are not in time."""
    waiting = dict(ports)
    try:
        async with asyncio.timeout(patience):
            while waiting:
                for name, port in list(waiting.items()):
                    if await is_ready(port):
                        del waiting[name]
                if waiting:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    return list(waiting)
