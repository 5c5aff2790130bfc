"""A helper process of a benchmark: says "ready" when it is, ends with the block."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from infra.embedded.home import CHECKOUT
from infra.embedded.identity import LAUNCH

_LONGEST_LINE = 64 * 1024 * 1024


class OwnProcess:
    """Talks in lines over standard input and output. It is killed should this process die."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = tuple(command)
        self._environment = environment
        self._running: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        tie = [str(os.getpid()), str(int(signal.SIGKILL)), "same"]
        self._running = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-S", str(LAUNCH), *tie, *self._command],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=CHECKOUT,
            env=self._environment,
            limit=_LONGEST_LINE,
            # Ctrl-C is for the benchmark alone: it ends the others in order.
            start_new_session=True,
        )
        await self.heard()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    @property
    def process(self) -> asyncio.subprocess.Process:
        if self._running is None:
            raise RuntimeError("the process has not been started")
        return self._running

    @property
    def pid(self) -> int:
        return self.process.pid

    def say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")

    async def heard(self) -> bytes:
        """The next line. Raises RuntimeError when the process has ended instead."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command[:3])} ended")
        return line
