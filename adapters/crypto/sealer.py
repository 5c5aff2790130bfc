"""Sealing with AES-256-GCM and blind indexes with HMAC-SHA256, under a merchant's data key."""

import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache
from os import urandom
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.crypto.derive import derived
from adapters.crypto.text import NONCE_BYTES, decoded
from ports.sealing import CannotOpen, MerchantKey, normalised

_CACHED_CIPHERS: Final = 20_000  # one per merchant and purpose
_CACHED_INDEX_KEYS: Final = 10_000
_INDEX_DIGITS: Final = 32  # 128 bits: no two addresses of one shop meet by chance


class _Cipher(NamedTuple):
    """What sealing for one merchant and purpose needs, ready made."""

    aes: AESGCM
    prefix: str
    bound_to: bytes


def _cipher(key: MerchantKey, purpose: str) -> _Cipher:
    prefix = f"v1.{key.key_id}."
    bound_to = prefix.encode() + key.merchant_id.bytes + purpose.encode()
    return _Cipher(AESGCM(derived(key.secret, "sealing")), prefix, bound_to)


class AesGcmSealer:
    """``ports.sealing.Sealer``.

    Nonces are random: with 96 bits a data key may seal 2³² texts before a repeat becomes thinkable
    (NIST SP 800-38D, 8.3), more than any shop has customers and orders.
    """

    def __init__(self) -> None:
        self._cipher = lru_cache(_CACHED_CIPHERS)(_cipher)
        self._index_key = lru_cache(_CACHED_INDEX_KEYS)(
            lambda key: derived(key.secret, "blind index")
        )

    def seal(self, key: MerchantKey, plain: bytes, purpose: str) -> str:
        aes, prefix, bound_to = self._cipher(key, purpose)
        nonce = urandom(NONCE_BYTES)
        box = nonce + aes.encrypt(nonce, plain, bound_to)
        return prefix + urlsafe_b64encode(box).decode("ascii")

    def open(self, key: MerchantKey, sealed: str, purpose: str) -> bytes:
        aes, prefix, bound_to = self._cipher(key, purpose)
        box = decoded(sealed, prefix)
        try:
            return aes.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound_to)
        except InvalidTag:
            raise CannotOpen from None

    def blind_index(self, key: MerchantKey, value: str) -> str:
        plain = normalised(value)
        if not plain:
            return ""
        # Lone surrogates are no text, but must not stop an order either.
        message = plain.encode("utf-8", "surrogatepass")
        return hmac.digest(self._index_key(key), message, "sha256").hex()[:_INDEX_DIGITS]
