"""Sealing with AES-256-GCM and blind indexes with HMAC-SHA256, under a merchant's data key."""

import hmac
from base64 import urlsafe_b64encode
from os import urandom
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.crypto.derive import derived
from adapters.crypto.text import NONCE_BYTES, decoded
from ports.sealing import CannotOpen, MerchantKey, key_id_of, normalised

_PLAIN: Final = "v1."
_ABOUT: Final = "v2."
_MOST_CIPHERS: Final = 1_000
"""Of one merchant, for each key and purpose; only LoyalNest's own has more than a handful."""
_INDEX_DIGITS: Final = 32  # 128 bits: no two addresses of one shop meet by chance


class _Cipher(NamedTuple):
    """What sealing for one merchant, key and purpose needs, ready made."""

    aes: AESGCM
    bound_to: bytes


class AesGcmSealer:
    """``ports.sealing.Sealer``.

    Nonces are random: with 96 bits a data key may seal 2³² texts before a repeat becomes thinkable
    (NIST SP 800-38D, 8.3), more than any shop has customers and orders.
    """

    def __init__(self) -> None:
        # Weak, so that what was derived from a merchant's keys is not kept longer than they are.
        self._ciphers: WeakKeyDictionary[MerchantKey, dict[tuple[str, str], _Cipher]] = (
            WeakKeyDictionary()
        )

    def seal(self, key: MerchantKey, plain: bytes, purpose: str, about: str = "") -> str:
        aes, bound_to = self._cipher(key, key.key_id, purpose)
        prefix = f"{_ABOUT if about else _PLAIN}{key.key_id}."
        nonce = urandom(NONCE_BYTES)
        box = nonce + aes.encrypt(nonce, plain, _bound_to(prefix, bound_to, about))
        return prefix + urlsafe_b64encode(box).decode("ascii")

    def open(self, key: MerchantKey, sealed: str, purpose: str, about: str = "") -> bytes:
        key_id = key_id_of(sealed)
        aes, bound_to = self._cipher(key, key_id, purpose)
        if sealed.startswith(_PLAIN):
            about = ""
        prefix = f"{_ABOUT if about else _PLAIN}{key_id}."
        box = decoded(sealed, prefix)
        try:
            bound_to = _bound_to(prefix, bound_to, about)
            return aes.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound_to)
        except InvalidTag:
            raise CannotOpen from None

    def blind_index(self, key: MerchantKey, value: str) -> str:
        plain = normalised(value)
        if not plain:
            return ""
        # Lone surrogates are no text, but must not stop an order either.
        message = plain.encode("utf-8", "surrogatepass")
        return hmac.digest(key.index_secret, message, "sha256").hex()[:_INDEX_DIGITS]

    def _cipher(self, key: MerchantKey, key_id: str, purpose: str) -> _Cipher:
        """Raises CannotOpen for a key that the merchant has not (any more)."""
        ciphers = self._ciphers.setdefault(key, {})
        cipher = ciphers.get((key_id, purpose))
        if cipher is None:
            if len(ciphers) >= _MOST_CIPHERS:
                ciphers.clear()
            cipher = ciphers[key_id, purpose] = _made(key, key_id, purpose)
        return cipher


def _made(key: MerchantKey, key_id: str, purpose: str) -> _Cipher:
    secret = key.secret if key_id == key.key_id else key.older.get(key_id)
    if secret is None:
        raise CannotOpen
    bound_to = key.merchant_id.bytes + purpose.encode()
    return _Cipher(AESGCM(derived(secret, "sealing")), bound_to)


def _bound_to(prefix: str, bound_to: bytes, about: str) -> bytes:
    if about:
        # The length says where the purpose ends, so that no two pairs of both read alike.
        bound_to = b"%d:%b%b" % (len(bound_to), bound_to, about.encode())
    return prefix.encode() + bound_to
