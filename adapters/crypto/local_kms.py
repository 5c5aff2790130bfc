"""``ports.key_management.KeyManagement`` with master keys in files (AES-256-GCM)."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.crypto.derive import derived, key_id
from adapters.crypto.keyfile import load_key
from adapters.crypto.text import NONCE_BYTES, decoded
from ports.key_management import DATA, KeyContext, MasterKey
from ports.sealing import CannotOpen

SCHEME: Final = "w1."


class LocalKeyManagement:
    """A ring of master keys: the first wraps, all unwrap.

    The wrapped form is ``w1.<master key id>.<base64url nonce+ciphertext>``.
    """

    def __init__(self, current: bytes, *older: bytes) -> None:
        self._current = MasterKey(f"file key {key_id(current)}", _prefix(current))
        self._ciphers = {
            _prefix(each): AESGCM(derived(each, "wrapping")) for each in (current, *older)
        }

    async def current(self) -> MasterKey:
        return self._current

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        prefix = self._current.prefix
        nonce = secrets.token_bytes(NONCE_BYTES)
        box = nonce + self._ciphers[prefix].encrypt(nonce, key, _bound_to(prefix, context))
        return prefix + urlsafe_b64encode(box).decode("ascii")

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        prefix = wrapped[: len(self._current.prefix)]
        cipher = self._ciphers.get(prefix)
        if cipher is None:
            raise CannotOpen
        box = decoded(wrapped, prefix)
        try:
            return cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _bound_to(prefix, context))
        except InvalidTag:
            raise CannotOpen from None

    async def rewrap(self, wrapped: str, context: KeyContext) -> str:
        return await self.wrap(await self.unwrap(wrapped, context), context)


def local_key_management(current: Path, older: Sequence[Path]) -> LocalKeyManagement:
    """With the keys in these files. Raises ``adapters.crypto.keyfile.BadKeyFile``."""
    return LocalKeyManagement(load_key(current), *map(load_key, older))


def _prefix(master_key: bytes) -> str:
    return f"{SCHEME}{key_id(master_key)}."


def _bound_to(prefix: str, context: KeyContext) -> bytes:
    # Data keys were wrapped before there were others, so theirs is the context without a name.
    use = "" if context.use == DATA else context.use
    return prefix.encode() + context.merchant_id.bytes + use.encode()
