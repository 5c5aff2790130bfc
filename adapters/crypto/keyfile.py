"""Key files: 32 random bytes in base64, readable by their owner only."""

import binascii
import os
import secrets
import stat
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32


class BadKeyFile(Exception):
    """A key file that must not be used; the text is one line for whoever starts the system."""


def load_key(path: Path) -> bytes:
    """The 32 bytes in ``path``.

    Raises BadKeyFile if it is missing, open to other users of the machine, or not such a key.
    """
    try:
        key = b64decode(read_private(path, KEY_BYTES * 4).strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadKeyFile(f"Key file {path}: expected {KEY_BYTES} bytes in base64.")
    return key


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


def create_key(path: Path) -> None:
    """Writes a new random key to ``path`` unless there is one. Of two who try at once one wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
