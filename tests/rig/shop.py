"""The load process as seen by a benchmark: start it, command it, end it."""

import asyncio
import os
import signal
import sys
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from infra.embedded.home import CHECKOUT
from infra.embedded.identity import LAUNCH
from tests.rig.load import Expected, Send, Sent, Shop, Truth

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)

ORDERS_ONLY = ("customers/create", "orders/create", "orders/cancelled", "refunds/create")
"""An order is told of once, and again only where something happened to it."""

_LONGEST_ANSWER = 64 * 1024 * 1024


class LoadProcess:
    """``async with LoadProcess(shop) as load: await load.send(seconds=5)``."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            # Tied to this process, as the servers are: a killed benchmark leaves nothing running.
            *[sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGKILL))],
            *["same", sys.executable, "-m", "tests.rig.load"],
            msgspec.json.encode(self._shop).decode(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=CHECKOUT,
            limit=_LONGEST_ANSWER,
            start_new_session=True,
        )
        await self._line()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def signups(self) -> Sent:
        return await self._do(Send(signups=True), Sent)

    async def send(
        self, seconds: float, rate: float = 0, connections: int = 64, patience: float = 60
    ) -> Sent:
        command = Send(seconds=seconds, rate=rate, connections=connections, patience=patience)
        return await self._do(command, Sent)

    def enough(self) -> None:
        """Ends a ``send`` of no fixed length, once it has begun."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    async def truth(self) -> Expected:
        return await self._do(Truth(), Expected)

    async def _do(self, command: msgspec.Struct, answer: type[AnswerT]) -> AnswerT:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        return msgspec.json.decode(await self._line(), type=answer)

    async def _line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load process ended")
        return line
