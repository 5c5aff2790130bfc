"""The keys that sign access tokens: one current, and the one before it while its tokens live."""

from dataclasses import dataclass, field
from pathlib import Path

from adapters.crypto.derive import key_id
from adapters.crypto.keyfile import load_key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """32 random bytes, and the key id that tokens name in their header."""

    key_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> "SigningKey":
        return cls(key_id(secret), secret)


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """``current`` signs; both verify."""

    current: SigningKey
    previous: SigningKey | None = None

    def by_id(self) -> dict[str, SigningKey]:
        active = (self.current,) if self.previous is None else (self.current, self.previous)
        return {key.key_id: key for key in active}


def load_signing_keys(current: Path, previous: Path | None = None) -> SigningKeys:
    """The keys in these files. Raises ``adapters.crypto.keyfile.BadKeyFile``."""
    return SigningKeys(
        SigningKey.of(load_key(current)),
        None if previous is None else SigningKey.of(load_key(previous)),
    )
