"""What the three embedded servers have in common: prepare, start, wait until ready, stop."""

import asyncio
import os
import signal
import time
from abc import ABC, abstractmethod

from infra.embedded.child import Child, describe_end
from infra.embedded.errors import EmbeddedError, from_os_error
from infra.embedded.home import Home
from infra.embedded.identity import SAME, Identity
from infra.embedded.secrets import Secrets

START_PATIENCE = 30.0  # seconds; recovery after a crash may have much to replay
STOP_PATIENCE = 30.0


class Server(ABC):
    """One server of a home."""

    name: str
    title: str
    stop_signal: signal.Signals = signal.SIGTERM

    def __init__(self, home: Home, port: int, secrets: Secrets) -> None:
        self.home = home
        self.port = port
        self.secrets = secrets
        self.child = Child(home, self.name, self.stop_signal)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, password included."""

    @abstractmethod
    async def prepare(self) -> None:
        """Writes the configuration, and at the first start whatever the server needs besides."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments; no secrets here, everybody on the machine can read it."""

    @abstractmethod
    async def ready(self) -> bool:
        """Whether it answers."""

    def identity(self) -> Identity:
        """Who it runs as."""
        return SAME

    async def start(self) -> None:
        """Starts it and waits until it answers; raises EmbeddedError with what it said last."""
        if self.child.is_running():
            return
        try:
            await self.prepare()
        except OSError as error:
            raise from_os_error(error, self.home.path) from error
        await self.child.start(self.command(), minimal_environment(), self.identity())
        deadline = time.monotonic() + START_PATIENCE
        while not await self.ready():
            if not self.child.is_running():
                raise EmbeddedError(self._why(describe_end(await self.child.wait())))
            if time.monotonic() > deadline:
                await self.child.kill()
                raise EmbeddedError(self._why(f"did not answer within {START_PATIENCE:.0f} s"))
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Ends it in order, everything written."""
        await self.child.stop(STOP_PATIENCE)

    async def kill(self) -> None:
        """Ends it with SIGKILL, for tests of what survives that."""
        await self.child.kill()

    def _why(self, what: str) -> str:
        said = self.child.said(3)
        if any("No space left on device" in line for line in said):
            return f"The disk is full; {self.title} {what}."
        tail = f" It said: {' | '.join(said)}" if said else ""
        return f"{self.title} {what}; its log is {self.child.log}.{tail}"


def minimal_environment() -> dict[str, str]:
    """What a server gets to see: nothing of the caller's settings and secrets."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


async def converse(port: int, say: bytes, lines: int, patience: float = 1.0) -> bytes:
    """Says something to a loopback port and reads that many lines; empty when nobody answers."""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(say)
                return b"".join([await reader.readline() for _ in range(lines)])
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
