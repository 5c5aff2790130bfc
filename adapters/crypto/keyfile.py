"""Files with keys: readable by their owner only."""

import os
import stat
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32


class BadKeyFile(Exception):
    """A key file that must not be used; the text is one line for whoever starts the system."""


def read_private(path: Path, most: int) -> str:
    """The first ``most`` bytes of a file, as text.

    Raises BadKeyFile if it is missing or open to other users of the machine.
    """
    try:
        # Non-blocking, so that a pipe in its place is refused and not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BadKeyFile(f"Key file {path}: {error.strerror}.") from None
    try:
        # Asked of the opened file, so that nobody swaps it between the question and the reading.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise BadKeyFile(f"Key file {path}: not a regular file.")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BadKeyFile(f"Key file {path}: other users may read it; run chmod 600 on it.")
        return os.read(descriptor, most).decode("ascii", errors="replace")
    finally:
        os.close(descriptor)
