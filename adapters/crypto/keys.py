"""Data keys of merchants, wrapped under the master key (envelope encryption, AES-256-GCM)."""

import secrets
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.crypto.derive import derived, key_id
from adapters.crypto.text import NONCE_BYTES, decoded
from ports.sealing import CannotOpen, MerchantKey

_DATA_KEY_BYTES: Final = 32
_CACHED_KEYS: Final = 10_000  # unwrapped keys kept; about 300 bytes each


class EnvelopeKeys:
    """``ports.sealing.MerchantKeys`` under one master key.

    The wrapped form is ``w1.<master key id>.<base64url nonce+ciphertext>`` and bound to its
    merchant, so that a row copied to another merchant does not unwrap.
    """

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(derived(master_key, "wrapping"))
        self._prefix = f"w1.{key_id(master_key)}."
        self._cached = lru_cache(_CACHED_KEYS)(self._unwrap)

    def wrap_new(self, merchant_id: UUID) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        data_key = secrets.token_bytes(_DATA_KEY_BYTES)
        box = nonce + self._cipher.encrypt(nonce, data_key, self._bound_to(merchant_id))
        return self._prefix + urlsafe_b64encode(box).decode("ascii")

    def unwrap(self, wrapped: str, merchant_id: UUID) -> MerchantKey:
        return self._cached(wrapped, merchant_id)

    def _unwrap(self, wrapped: str, merchant_id: UUID) -> MerchantKey:
        box = decoded(wrapped, self._prefix)
        try:
            secret = self._cipher.decrypt(
                box[:NONCE_BYTES], box[NONCE_BYTES:], self._bound_to(merchant_id)
            )
        except InvalidTag:
            raise CannotOpen from None
        return MerchantKey(merchant_id, key_id(secret), secret, derived(secret, "blind index"))

    def _bound_to(self, merchant_id: UUID) -> bytes:
        return self._prefix.encode() + merchant_id.bytes
