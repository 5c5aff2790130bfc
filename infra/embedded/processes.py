"""Telling one process from another that later got the same number."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.embedded.home import Home, read_json, write_json

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class RunFile:
    """What a started process leaves in the home, so that the next start can find it."""

    path: Path
    name: str
    pid: int
    started: str
    stop_signal: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_mark(self.pid) == self.started


def write_run_file(home: Home, name: str, pid: int, stop_signal: int) -> Path:
    """Notes a process that has just been started."""
    path = home.run / f"{name}.pid.json"
    write_json(path, {"pid": pid, "started": start_mark(pid), "stop_signal": stop_signal})
    return path


def run_files(home: Home) -> list[RunFile]:
    """Every process that was noted and not struck out again."""
    found = []
    for path in sorted(home.run.glob("*.pid.json")):
        note = read_json(path)
        pid, started, stop = note.get("pid"), note.get("started"), note.get("stop_signal")
        if isinstance(pid, int) and isinstance(started, str) and isinstance(stop, int):
            found.append(RunFile(path, path.name.removesuffix(".pid.json"), pid, started, stop))
        else:
            path.unlink(missing_ok=True)
    return found


def end_leftovers(home: Home, patience: float = 20.0) -> list[RunFile]:
    """Ends what an earlier run left behind, first politely; answers which still ran.

    Processes that were told to end when their parent died are on their way out already, so most of
    the time this only waits for them.
    """
    noted = run_files(home)
    leftovers = [run_file for run_file in noted if run_file.alive]
    for leftover in leftovers:
        _send(leftover, leftover.stop_signal)
    deadline = time.monotonic() + patience
    while any(leftover.alive for leftover in leftovers):
        if time.monotonic() > deadline:
            for leftover in leftovers:
                _send(leftover, signal.SIGKILL)
            deadline = time.monotonic() + patience
        time.sleep(0.02)
    for run_file in noted:
        run_file.path.unlink(missing_ok=True)
    return leftovers


def _send(run_file: RunFile, number: int) -> None:
    if run_file.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(run_file.pid, number)


def start_mark(pid: int) -> str:
    """When a living process started, in whatever unit the system has; empty when it is gone."""
    if PROC.is_dir():
        try:
            text = (PROC / str(pid) / "stat").read_text()
        except OSError:
            return ""
        # The name in brackets may hold anything; what counts comes after the last bracket.
        fields = text.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"
    return _start_mark_without_proc(pid)


def _start_mark_without_proc(pid: int) -> str:
    import psutil  # only here, because it is slow to load

    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return "" if gone else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""


@cache
def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
