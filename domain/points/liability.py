"""What outstanding points will cost, and how much of a sale's revenue belongs to its points.

IFRS 15 and ASC 606 take points that a sale gives for a promise of their own: part of the price is
for them, and is no revenue until they are redeemed or have expired.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from domain.errors import Problem
from domain.money import Money, Rounding, allocate

ROUNDING: Final = Rounding.HALF_UP
"""Of every amount here, to the currency's minor unit, once, at the end."""
ALL: Final = Decimal(1)
_DECIMALS: Final = Decimal("0.000001")
MOST_VALUE: Final = Decimal(1_000_000)


class Rate(NamedTuple):
    """The share of outstanding points that is expected to be redeemed, 0 to 1; ``is_estimated``
    from what became of others, or said by the merchant."""

    share: Decimal
    is_estimated: bool


class Liability(NamedTuple):
    """``maximum`` if every point is redeemed, ``expected`` of it, and ``breakage``, the rest."""

    maximum: Money
    expected: Money
    breakage: Money


class Deferral(NamedTuple):
    """What the points of a sale are worth, and the price parted between them and the goods."""

    worth: Money
    deferred: Money
    recognised: Money


def problems_of(point_value: Decimal, redemption_rate: Decimal | None) -> list[Problem]:
    """What is wrong with what a merchant says of their points."""
    problems = []
    if not (point_value.is_finite() and 0 < point_value <= MOST_VALUE):
        problems.append(Problem("/point_value", f"must be more than 0, at most {MOST_VALUE}"))
    if redemption_rate is not None and not (
        redemption_rate.is_finite() and 0 <= redemption_rate <= 1
    ):
        problems.append(Problem("/redemption_rate", "must be 0 to 1"))
    return problems


def expected_rate(said: Decimal | None, spent: int, expired: int) -> Rate:
    """What the merchant says; otherwise the share that was spent of all points whose fate is known,
    rounded to six decimals. Nothing is known of points that can still be spent. While none has
    expired, that is everything: the prudent end, and the only one that history speaks for."""
    if said is not None:
        return Rate(said, is_estimated=False)
    spent, expired = max(spent, 0), max(expired, 0)
    if spent + expired == 0:
        return Rate(ALL, is_estimated=True)
    return Rate((Decimal(spent) / (spent + expired)).quantize(_DECIMALS), is_estimated=True)


def liability(points: int, point_value: Money, rate: Decimal) -> Liability:
    """Of so many outstanding points. Debts of members count for nothing: nobody pays them back."""
    worth = point_value.amount * points
    maximum = Money(worth, point_value.currency).rounded(ROUNDING)
    expected = Money(worth * rate, point_value.currency).rounded(ROUNDING)
    return Liability(maximum, expected, maximum - expected)


def parts(total: Money, points: Sequence[int]) -> tuple[Money, ...]:
    """A liability shared out by points, without losing a cent; nothing among none."""
    if not points:
        return ()
    return allocate(total, [Decimal(each) for each in points], ROUNDING)


def deferral(sale: Money, points: int, point_value: Money, rate: Decimal) -> Deferral:
    """The price of a sale parted in proportion to what goods and points are worth by themselves.

    Raises CurrencyMismatch for a value in another currency than the sale's.
    """
    worth = Money(point_value.amount * points * rate, point_value.currency)
    both = sale + worth
    share = Decimal(0) if both.amount == 0 else sale.amount * worth.amount / both.amount
    deferred = Money(share, sale.currency).rounded(ROUNDING)
    return Deferral(worth.rounded(ROUNDING), deferred, sale - deferred)
