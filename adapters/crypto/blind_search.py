"""``ports.blind_search.BlindSearch`` with HMAC-SHA256, cut short, under a merchant's index key."""

import hmac
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import SystemRandom
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

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
_getrandbits: Final = SystemRandom().getrandbits
_MOST_NUMBERS: Final = 10_000
"""Remembered of one shop; the parts of its names are fewer."""


class _Key(NamedTuple):
    secret: bytes
    shop: int
    """What every number of the shop begins with."""
    numbers: dict[str, int]
    days: dict[tuple[int, int], int]
    """The number of each day of a year."""


_YEAR: Final = [date(2000, 1, 1) + timedelta(days=each) for each in range(366)]
_TOGETHER: Final = 6
"""Days of one number: enough that a number is not a day, few enough that little is opened in vain.
366 is a multiple of it, so that no day is alone."""


def _shuffled_days(key: MerchantKey) -> dict[tuple[int, int], int]:
    """Days that follow each other have nothing to do with each other here."""
    secret = derived(key.index_secret, "birthday index")
    days = [(day.month, day.day) for day in _YEAR]
    days.sort(key=lambda day: hmac.digest(secret, bytes(day), "sha256"))
    return {day: place // _TOGETHER for place, day in enumerate(days)}


def _key(key: MerchantKey) -> _Key:
    shop = int.from_bytes(derived(key.index_secret, "name index of the shop", 4), "big")
    return _Key(derived(key.index_secret, "name index"), shop >> (32 - _SHOP_BITS) << _BITS, {}, {})


def _number(key: _Key, part: str) -> int:
    # Lone surrogates are no text, but must not stop a customer either.
    digest = hmac.digest(key.secret, part.encode("utf-8", "surrogatepass"), "sha256")
    return key.shop | int.from_bytes(digest[:4], "big") >> (32 - _BITS)


class HmacSearch:
    def __init__(self, draw: Callable[[int], int] = _getrandbits) -> None:
        """``draw`` makes so many random bits."""
        self._draw = draw
        # Weak, so that what was derived from a merchant's keys is not kept longer than they are.
        self._keys: WeakKeyDictionary[MerchantKey, _Key] = WeakKeyDictionary()

    def stored(self, key: MerchantKey, parts: Sequence[str]) -> Sequence[int]:
        numbers = set(self.asked(key, parts))
        if not numbers:
            return ()
        shop = self._made(key).shop
        padded = max(_FEWEST, -(-(len(numbers) + _FEWEST_DRAWN) // _ROUND) * _ROUND)
        while len(numbers) < min(padded, 1 << _BITS):
            numbers.add(shop | self._draw(_BITS))
        return sorted(numbers)

    def days(self, key: MerchantKey, month: int, day: int) -> int:
        days = self._made(key).days
        if not days:
            days.update(_shuffled_days(key))
        return days[month, day]

    def asked(self, key: MerchantKey, parts: Sequence[str]) -> Sequence[int]:
        made = self._made(key)
        return tuple(dict.fromkeys(self._number(made, part) for part in parts))

    def _made(self, key: MerchantKey) -> _Key:
        made = self._keys.get(key)
        if made is None:
            made = self._keys[key] = _key(key)
        return made

    @staticmethod
    def _number(key: _Key, part: str) -> int:
        number = key.numbers.get(part)
        if number is None:
            if len(key.numbers) >= _MOST_NUMBERS:
                key.numbers.clear()
            number = key.numbers[part] = _number(key, part)
        return number
