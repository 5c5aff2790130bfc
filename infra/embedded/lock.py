"""One owner for each home: flock, so that a crash leaves no lock behind."""

import fcntl
import os
import time

from infra.embedded.errors import AlreadyRunningError, from_os_error
from infra.embedded.home import Home

LOOKERS_PATIENCE = 0.5  # seconds; who asks for the holder has the lock for an instant


class HomeLock:
    """Holds a home for this process; a second one is told who holds it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Takes the home; raises AlreadyRunningError when a living process has it."""
        try:
            descriptor = os.open(self._home.lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise from_os_error(error, self._home.path) from error
        if not _taken(descriptor):
            holder = os.pread(descriptor, 64, 0).decode().split()
            os.close(descriptor)
            who = f"pid {holder[0]}, since {holder[1]}" if len(holder) == 2 else "another process"
            raise AlreadyRunningError(
                f"LoyalNest already runs in {self._home.path} ({who}); "
                "`down` stops it, LOYALNEST_HOME chooses another folder."
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {time.strftime('%H:%M:%S')}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets the next one in."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _taken(descriptor: int) -> bool:
    deadline = time.monotonic() + LOOKERS_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        else:
            return True
        time.sleep(0.01)


def holder(home: Home) -> int | None:
    """The pid of the process that holds a home now, if there is one."""
    try:
        descriptor = os.open(home.lock, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 64, 0).decode().split()
        return int(text[0]) if text else None
    finally:
        os.close(descriptor)
    return None
