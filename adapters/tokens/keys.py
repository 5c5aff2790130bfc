"""The keys that sign access tokens: one signs, the one before it is accepted while its tokens live,
and one that is to sign next is accepted already, so that no two processes have to change at once.

They are in one file, the key ring: a line for each key, ``<when it begins to sign> <32 bytes in
base64>``, the time in UTC (``2026-11-20T12:00:00Z``); a key without a time has always signed. The
file is read again when it changes. Rotating is adding a line (``loyalnest keys rotate-signing``).
"""

import binascii
import logging
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from adapters.crypto.derive import key_id
from adapters.crypto.keyfile import KEY_BYTES, BadKeyFile, read_private
from ports.tokens import LEEWAY, LIFETIME

log = logging.getLogger(__name__)

RECHECK_SECONDS: Final = 1.0
"""How often it is looked whether the file has changed."""
NOTICE: Final = timedelta(minutes=1)
"""How long before it signs a new key is made known: every process has read the file by then."""
ACCEPTED: Final = LIFETIME + 2 * LEEWAY
"""How long a key is accepted after the next has begun: its last tokens are over by then, also where
the clocks of two machines are apart."""

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
_MOST: Final = 16_384  # bytes; a line has about 70


@dataclass(frozen=True, slots=True)
class SigningKey:
    """32 random bytes, the key id that tokens name in their header, and when it begins to sign."""

    key_id: str
    secret: bytes = field(repr=False)
    begins_at: datetime = _ALWAYS

    @classmethod
    def of(cls, secret: bytes, begins_at: datetime = _ALWAYS) -> "SigningKey":
        return cls(key_id(secret), secret, begins_at)


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """At least one, in the order in which they begin."""

    keys: tuple[SigningKey, ...]

    @classmethod
    def of(cls, *keys: SigningKey) -> "SigningKeys":
        return cls(tuple(sorted(keys, key=lambda key: key.begins_at)))

    def known(self) -> "SigningKeys":
        return self

    def signing(self, now: datetime) -> SigningKey:
        """The one that signs now."""
        begun = [key for key in self.keys if key.begins_at <= now]
        return begun[-1] if begun else self.keys[0]

    def accepted(self, name: str, now: datetime) -> tuple[SigningKey, datetime | None] | None:
        """The key of this id, and when it is retired if the one after it is known. None for one
        that is unknown or retired."""
        for at, key in enumerate(self.keys):
            if key.key_id == name:
                retires_at = self._retires_at(at)
                return None if retires_at is not None and retires_at <= now else (key, retires_at)
        return None

    def rotated(self, new: SigningKey, now: datetime) -> "SigningKeys":
        """With ``new``, and without those that are retired."""
        kept = (key for key in self.keys if self.accepted(key.key_id, now))
        return self.of(*kept, new)

    def _retires_at(self, at: int) -> datetime | None:
        return self.keys[at + 1].begins_at + ACCEPTED if at + 1 < len(self.keys) else None


class Keys(Protocol):
    """Where the keys come from. The answer is the same object while nothing has changed."""

    def known(self) -> SigningKeys: ...


class KeyRing:
    """``Keys`` from a file. One that cannot be read any more is reported, once; what was read
    before goes on to hold."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises BadKeyFile."""
        self._path = path
        self._monotonic = monotonic
        self._stamp = _stamp(path)
        self._checked_at = monotonic()
        self._keys = read_keys(path)

    def known(self) -> SigningKeys:
        now = self._monotonic()
        if now - self._checked_at >= RECHECK_SECONDS:
            self._checked_at = now
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._read()
        return self._keys

    def _read(self) -> None:
        try:
            self._keys = read_keys(self._path)
        except BadKeyFile as error:
            # Whoever reads the log can mend a file, and not the code: no traceback.
            log.error("the signing keys cannot be read again, the old ones hold: %s", error)  # noqa: TRY400 - see above
        else:
            log.info("signing keys: %s", ", ".join(key.key_id for key in self._keys.keys))


def load_signing_keys(path: Path) -> KeyRing:
    """The keys in this file, now and when it changes. Raises BadKeyFile."""
    return KeyRing(path)


def read_keys(path: Path) -> SigningKeys:
    """The keys in this file now. Raises BadKeyFile."""
    lines = [line.split() for line in read_private(path, _MOST).splitlines()]
    try:
        keys = [_key(*words) for words in lines if words]
    except (ValueError, TypeError):
        # Nothing of it is quoted: it may be half a key.
        raise BadKeyFile(f"Key file {path}: expected lines of a time and a key.") from None
    if not keys:
        raise BadKeyFile(f"Key file {path}: holds no key.")
    return SigningKeys.of(*keys)


def write_keys(path: Path, keys: SigningKeys) -> None:
    """Put these in a file that is there. Into the same file and not in its place, for a container
    that has it mounted sees no other; with one write that covers all that was in it."""
    text = "".join(_line(key) for key in keys.keys).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, text.ljust(os.fstat(descriptor).st_size, b"\n"), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _key(*words: str) -> SigningKey:
    """Raises ValueError, TypeError."""
    *times, encoded = words
    begins_at = _time(*times) if times else _ALWAYS
    try:
        secret = b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError from error
    if len(secret) != KEY_BYTES:
        raise ValueError
    return SigningKey.of(secret, begins_at)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError
    return at.astimezone(UTC)


def _line(key: SigningKey) -> str:
    encoded = b64encode(key.secret).decode("ascii")
    if key.begins_at == _ALWAYS:
        return f"{encoded}\n"
    return f"{key.begins_at:%Y-%m-%dT%H:%M:%SZ} {encoded}\n"


def _stamp(path: Path) -> Iterable[int]:
    """Changes when the file does. Empty when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
