"""Serving a web application inside the running event loop, beside NATS consumers."""

import asyncio
import socket
import warnings

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar.types import ASGIApp


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
                backpressure=512,
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


def _check_free(host: str, port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortBusy(
                f"Port {port} is in use by another program; set {setting} to a free one."
            ) from error
