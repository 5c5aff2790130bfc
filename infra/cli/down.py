"""`loyalnest down`: stops what `up` started in this home."""

import argparse
import os
import signal
import time

from infra.embedded.errors import EmbeddedError
from infra.embedded.home import Home, default_home
from infra.embedded.lock import HomeLock, holder
from infra.embedded.processes import end_leftovers
from infra.embedded.state import running

PATIENCE = 90.0  # seconds


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(_: argparse.Namespace) -> int:
    """Stops it and waits until all of it has ended."""
    home = Home(default_home())
    pid = holder(home)
    if pid is None:
        return clear_up(home)
    if running(home) is None:
        raise EmbeddedError(f"{home.path} is in use by pid {pid}, which is not an `up`.")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while holder(home) == pid:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Pid {pid} has not stopped in {PATIENCE:.0f} s.")
        time.sleep(0.03)
    print("Stopped.")
    return 0


def clear_up(home: Home) -> int:
    """Nothing runs; ends what a crash may have left."""
    ended = []
    if home.lock.exists():
        lock = HomeLock(home)
        lock.acquire()
        ended = end_leftovers(home)
        lock.release()
    for leftover in ended:
        print(f"Ended {leftover.name} (pid {leftover.pid}) of an earlier run.")
    if not ended:
        print(f"Nothing runs in {home.path}.")
    return 0
