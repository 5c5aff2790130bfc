"""Money: exact amounts in one ISO 4217 currency, rounded only where and how it is said."""

import decimal
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from domain.errors import Kind, LoyaltyError

# ISO 4217 (2024). Every currency not named here has two decimals.
# fmt: off
_NO_DECIMALS = frozenset((
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG",
    "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
))
# fmt: on
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


class InvalidCurrency(LoyaltyError):
    code = "INVALID_CURRENCY"
    kind = Kind.INVALID
    title = "A currency is three capital letters, such as USD."


class CurrencyMismatch(LoyaltyError):
    """Two currencies met where one was promised; they are never converted silently."""

    code = "CURRENCY_MISMATCH"
    kind = Kind.INVALID
    title = "The amount is not in the currency of the program."


class Rounding(StrEnum):
    """How a fraction becomes a whole. DOWN drops it (towards zero), UP completes it (away from
    zero), HALF_UP sends an exact half away from zero, HALF_EVEN to the even neighbour."""

    HALF_UP = "half_up"
    DOWN = "down"
    HALF_EVEN = "half_even"
    UP = "up"


_MODE = {
    Rounding.HALF_UP: decimal.ROUND_HALF_UP,
    Rounding.DOWN: decimal.ROUND_DOWN,
    Rounding.HALF_EVEN: decimal.ROUND_HALF_EVEN,
    Rounding.UP: decimal.ROUND_UP,
}


def whole(value: Decimal, rounding: Rounding) -> int:
    """``value`` as a whole number."""
    return int(value.to_integral_value(rounding=_MODE[rounding]))


def is_currency(code: str) -> bool:
    """Whether ``code`` is written like an ISO 4217 code (three capital ASCII letters)."""
    return len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()


def exponent(currency: str) -> int:
    """Decimals of the currency's minor unit: 0, 2 or 3 (ISO 4217)."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in major units (12.34 means twelve dollars and thirty-four cents).

    Raises InvalidCurrency when the code is not written like one.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not is_currency(self.currency):
            raise InvalidCurrency

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def rounded(self, rounding: Rounding) -> "Money":
        """The amount in whole minor units of its currency."""
        return of_minor(self.minor(rounding), self.currency)

    def minor(self, rounding: Rounding) -> int:
        """The amount counted in minor units (cents)."""
        return whole(self.amount.scaleb(exponent(self.currency)), rounding)

    def _same(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise CurrencyMismatch


def of_minor(units: int, currency: str) -> Money:
    """The money that ``units`` minor units (cents) make."""
    return Money(Decimal(units).scaleb(-exponent(currency)), currency)


def allocate(total: Money, weights: Sequence[Decimal], rounding: Rounding) -> tuple[Money, ...]:
    """``total``, rounded to minor units, split in proportion to ``weights`` without losing a cent.

    Largest remainder: every share is first rounded towards zero, the cents left over go to the
    largest fractions, among equals to the earliest. Without any positive weight all of it goes to
    the first. Raises ValueError for no weights or a negative one.
    """
    if not weights or min(weights) < 0:
        raise ValueError("weights must be given and must not be negative")
    units = total.minor(rounding)
    sign, units = (-1, -units) if units < 0 else (1, units)
    parts = [Fraction(weight) for weight in weights]  # exact, where Decimal would round
    whole_weight = sum(parts)
    if whole_weight == 0:
        parts[0] = whole_weight = Fraction(1)
    shares = [units * part // whole_weight for part in parts]
    dropped = [units * part % whole_weight for part in parts]
    left = units - sum(shares)
    for index in sorted(range(len(parts)), key=lambda i: -dropped[i])[:left]:
        shares[index] += 1
    return tuple(of_minor(sign * share, total.currency) for share in shares)
