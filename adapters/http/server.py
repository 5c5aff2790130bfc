"""Serving a web application inside the running event loop, beside NATS consumers."""

import asyncio
import resource
import socket
import warnings
from typing import Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from litestar.types import ASGIApp

IDLE_SECONDS: Final = 20
"""How long a connection may take to send the head of a request, or not send one at all. A web
server in front of us has to let go of its connections sooner."""
MOST_CONNECTIONS: Final = 8_192
"""More have to wait until one is closed, and idle ones are before long: a thousand connections that
say nothing cost a few megabytes and keep nobody out."""
_MOST_HEAD_BYTES: Final = 65_536
"""Of the head of a request and of what is read of a body at once. ``adapters.http.edge`` refuses
long before with a word on why; beyond this granian does, with 431."""
_OWN_FILES: Final = 512
"""Files and connections that a process needs for itself."""


class PortBusy(Exception):
    """Somebody else listens there; the text says where and which setting moves it."""


class WebServer:
    """granian, embedded: its Rust threads parse HTTP, the application runs in our loop."""

    def __init__(self, app: ASGIApp, host: str, port: int, setting: str) -> None:
        _check_free(host, port, setting)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server = Server(
                app,
                address=host,
                port=port,
                interface=Interfaces.ASGINL,  # without lifespan: the host starts and stops things
                http=HTTPModes.http1,
                websockets=True,
                backlog=1024,
                backpressure=_room_for_connections(),
                http1_settings=HTTP1Settings(
                    header_read_timeout=IDLE_SECONDS * 1000, max_buffer_size=_MOST_HEAD_BYTES
                ),
                log_level=LogLevels.error,
            )
        self._address = (host, port)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when connections are taken. Raises OSError when that does not come about."""
        self._task = asyncio.create_task(self._server.serve(), name="web server")
        host, port = self._address
        reachable = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104  # where we listen
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection(reachable, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
        raise OSError(f"the web server does not come up on port {port}")

    async def stop(self, seconds: float = 5.0) -> None:
        """Take no new connections, finish what runs."""
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        _, late = await asyncio.wait({self._task}, timeout=seconds)
        for task in late:
            task.cancel()


def _room_for_connections() -> int:
    """How many there may be; the process is allowed that many open files if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(_OWN_FILES, min(MOST_CONNECTIONS, soft - _OWN_FILES))


def _check_free(host: str, port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortBusy(
                f"Port {port} is in use by another program; set {setting} to a free one."
            ) from error
