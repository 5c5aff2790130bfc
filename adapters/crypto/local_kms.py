"""``ports.key_management.KeyManagement`` with master keys in a file (AES-256-GCM).

The file is a key ring as that of the keys that sign (``adapters.tokens.keys``): of its master keys
the one that has begun last wraps, and all of them unwrap, also one that is yet to begin. It is read
again when it changes.
"""

import secrets
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.crypto.derive import derived, key_id
from adapters.crypto.text import NONCE_BYTES, decoded
from adapters.tokens.keys import KeyRing, Keys
from ports.clock import Clock
from ports.key_management import DATA, KeyContext, MasterKey
from ports.sealing import CannotOpen

SCHEME: Final = "w1."
_PREFIX: Final = len(SCHEME) + 16 + 1


class LocalKeyManagement:
    """The wrapped form is ``w1.<master key id>.<base64url nonce+ciphertext>``."""

    def __init__(self, ring: Keys, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._known = ring.known()
        self._ciphers = self._made()

    async def current(self) -> MasterKey:
        master = self._ring.known().signing(self._clock.now())
        return MasterKey(f"file key {master.key_id}", _prefix(master.secret))

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        prefix = (await self.current()).prefix
        nonce = secrets.token_bytes(NONCE_BYTES)
        box = nonce + self._cipher(prefix).encrypt(nonce, key, _bound_to(prefix, context))
        return prefix + urlsafe_b64encode(box).decode("ascii")

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        prefix = wrapped[:_PREFIX]
        cipher = self._cipher(prefix)
        box = decoded(wrapped, prefix)
        try:
            return cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _bound_to(prefix, context))
        except InvalidTag:
            raise CannotOpen from None

    async def rewrap(self, wrapped: str, context: KeyContext) -> str:
        return await self.wrap(await self.unwrap(wrapped, context), context)

    def _cipher(self, prefix: str) -> AESGCM:
        """Raises CannotOpen for a master key that is not in the ring."""
        if self._ring.known() is not self._known:
            self._known = self._ring.known()
            self._ciphers = self._made()
        try:
            return self._ciphers[prefix]
        except KeyError:
            raise CannotOpen from None

    def _made(self) -> dict[str, AESGCM]:
        return {
            _prefix(each.secret): AESGCM(derived(each.secret, "wrapping"))
            for each in self._known.keys
        }


def local_key_management(path: Path, clock: Clock) -> LocalKeyManagement:
    """With the keys in this file. Raises ``adapters.crypto.keyfile.BadKeyFile``."""
    return LocalKeyManagement(KeyRing(path), clock)


def _prefix(master_key: bytes) -> str:
    return f"{SCHEME}{key_id(master_key)}."


def _bound_to(prefix: str, context: KeyContext) -> bytes:
    # Data keys were wrapped before there were others, so theirs is the context without a name.
    use = "" if context.use == DATA else context.use
    return prefix.encode() + context.merchant_id.bytes + use.encode()
