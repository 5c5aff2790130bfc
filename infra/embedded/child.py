"""One process of the stack: started tied to this one, noted in the home, stopped politely."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.embedded.errors import EmbeddedError, from_os_error
from infra.embedded.home import Home
from infra.embedded.identity import LAUNCH, SAME, Identity
from infra.embedded.processes import write_run_file

LOG_LIMIT = 20_000_000  # bytes; one older log of the same size is kept


class Child:
    """A named process with a log file. It gets `stop_signal` when this process dies, too."""

    def __init__(self, home: Home, name: str, stop_signal: int) -> None:
        self.name = name
        self.log = home.logs / f"{name}.log"
        self.since = 0.0  # seconds since the epoch
        self._home = home
        self._stop_signal = stop_signal
        self._process: asyncio.subprocess.Process | None = None
        self._run_file: Path | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process number while it runs."""
        return self._process.pid if self._process and self.is_running() else None

    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(
        self, command: Sequence[str], environment: Mapping[str, str], identity: Identity = SAME
    ) -> None:
        """Starts the program. Call this in a thread that lives as long as the process does."""
        tie = [str(os.getpid()), str(int(self._stop_signal)), identity.launch]
        try:
            keep_log_short(self.log)
            with self.log.open("ab") as log:
                self._log_start = log.tell()
                self._process = await asyncio.create_subprocess_exec(
                    *[sys.executable, "-I", "-S", str(LAUNCH), *tie, *command],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(environment),
                    # Ctrl-C is for the supervisor alone: it ends the others in order.
                    start_new_session=True,
                )
            self._run_file = write_run_file(
                self._home, self.name, self._process.pid, self._stop_signal
            )
        except OSError as error:
            raise from_os_error(error, self._home.path) from error
        self.since = time.time()

    async def wait(self) -> int:
        """Waits for the end; answers the exit code, negative for a signal."""
        if self._process is None:
            raise EmbeddedError(f"{self.name} has not been started.")
        code = await self._process.wait()
        if self._run_file is not None:
            self._run_file.unlink(missing_ok=True)
        return code

    async def stop(self, patience: float) -> None:
        """Asks it to end, and after `patience` seconds ends it."""
        if not self.is_running():
            return
        self.send(self._stop_signal)
        try:
            await asyncio.wait_for(self.wait(), patience)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Ends it at once, as a crash would."""
        if self.is_running():
            self.send(signal.SIGKILL)
            await self.wait()

    def send(self, number: int) -> None:
        """Sends a signal."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def said(self, lines: int = 5) -> list[str]:
        """The last lines it wrote since its last start."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(self._log_start, self.log.stat().st_size - 20_000))
                text = log.read().decode(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-lines:]


def keep_log_short(log: Path) -> None:
    """Moves a log that has grown too long aside."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".old.log"))


def describe_end(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
