"""``ports.blind_search.BlindSearch`` with HMAC-SHA256, cut short, under a merchant's data key."""

import hmac
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import SystemRandom
from typing import Final, NamedTuple

from adapters.crypto.derive import derived
from ports.sealing import MerchantKey

_BITS: Final = 9
"""Of a part. A shop's names have some thousand parts, so each number stands for several."""
_SHOP_BITS: Final = 22
"""Of a shop, before those of the part: one index for all shops then finds what is of one shop. With
the others they make a number that PostgreSQL keeps in four bytes."""
_ROUND: Final = 8
_FEWEST_DRAWN: Final = 4
_FEWEST: Final = 16
_CACHED_KEYS: Final = 10_000
_CACHED_NUMBERS: Final = 50_000
_draw: Final = SystemRandom().getrandbits


class _Key(NamedTuple):
    secret: bytes
    shop: int
    """What every number of the shop begins with."""


def _key(key: MerchantKey) -> _Key:
    shop = int.from_bytes(derived(key.secret, "name index of the shop", 4), "big")
    return _Key(derived(key.secret, "name index"), shop >> (32 - _SHOP_BITS) << _BITS)


def _number(secret: bytes, shop: int, part: str) -> int:
    # Lone surrogates are no text, but must not stop a customer either.
    digest = hmac.digest(secret, part.encode("utf-8", "surrogatepass"), "sha256")
    return shop | int.from_bytes(digest[:4], "big") >> (32 - _BITS)


class HmacSearch:
    def __init__(self, draw: Callable[[int], int] = _draw) -> None:
        """``draw`` makes so many random bits."""
        self._draw = draw
        self._key = lru_cache(_CACHED_KEYS)(_key)
        self._number = lru_cache(_CACHED_NUMBERS)(_number)

    def stored(self, key: MerchantKey, parts: Sequence[str]) -> Sequence[int]:
        numbers = set(self.asked(key, parts))
        if not numbers:
            return ()
        shop = self._key(key).shop
        padded = max(_FEWEST, -(-(len(numbers) + _FEWEST_DRAWN) // _ROUND) * _ROUND)
        while len(numbers) < min(padded, 1 << _BITS):
            numbers.add(shop | self._draw(_BITS))
        return sorted(numbers)

    def asked(self, key: MerchantKey, parts: Sequence[str]) -> Sequence[int]:
        secret, shop = self._key(key)
        return tuple(dict.fromkeys(self._number(secret, shop, part) for part in parts))
