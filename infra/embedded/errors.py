"""What can go wrong with the embedded stack, each in one line a reader can act on."""

import errno
from pathlib import Path


class EmbeddedError(Exception):
    """The stack cannot start or go on; the message is one line and says what to do."""


class AlreadyRunningError(EmbeddedError):
    """Another process holds this home."""


def from_os_error(error: OSError, home: Path) -> EmbeddedError:
    """The line for a file that could not be read or written."""
    place = error.filename or home
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EmbeddedError(f"The disk is full; {home} needs about 500 MB.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return EmbeddedError(f"Cannot write to {place}; set LOYALNEST_HOME to a folder you own.")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return EmbeddedError(f"{place} is not a folder; set LOYALNEST_HOME to one.")
    return EmbeddedError(f"{place}: {error.strerror or error}.")
