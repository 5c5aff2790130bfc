"""Liability: the accountants' worked example, and nothing lost between whole and parts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import CurrencyMismatch, Money
from domain.points.liability import deferral, expected_rate, liability, parts, problems_of

POINTS = st.integers(0, 10**9)
RATES = st.decimals(0, 1, places=4)
VALUES = st.decimals(Decimal("0.0001"), 100, places=4)


def usd(amount: str | int | Decimal) -> Money:
    return Money(Decimal(amount), "USD")


def test_the_example_of_ifrs_15() -> None:
    """An $800 sale that gives 2,000 points at $0.012, of which 80 % will be redeemed."""
    found = deferral(usd(800), 2_000, usd("0.012"), Decimal("0.8"))
    assert found.worth == usd("19.20")
    assert found.deferred == usd("18.75")  # 800 × 19.20 / 819.20
    assert found.recognised == usd("781.25")


def test_points_of_another_currency_are_no_part_of_a_sale() -> None:
    with pytest.raises(CurrencyMismatch):
        deferral(usd(800), 1, Money(Decimal(1), "EUR"), Decimal(1))


def test_of_nothing_nothing_is_deferred() -> None:
    assert deferral(usd(0), 0, usd(1), Decimal(1)).deferred == usd("0.00")
    yen = deferral(Money(Decimal(1000), "JPY"), 10, Money(Decimal(1), "JPY"), Decimal(1))
    assert (yen.deferred.amount, yen.recognised.amount) == (Decimal(10), Decimal(990))


@given(sale=st.decimals(0, 10**6, places=2), points=POINTS, value=VALUES, rate=RATES)
def test_a_sale_is_parted_without_losing_a_cent(
    sale: Decimal, points: int, value: Decimal, rate: Decimal
) -> None:
    found = deferral(usd(sale), points, usd(value), rate)
    assert found.deferred.amount + found.recognised.amount == sale
    assert 0 <= found.deferred.amount <= sale


@given(points=POINTS, value=VALUES, rate=RATES)
def test_breakage_is_the_rest(points: int, value: Decimal, rate: Decimal) -> None:
    found = liability(points, usd(value), rate)
    assert found.expected.amount + found.breakage.amount == found.maximum.amount
    assert 0 <= found.expected.amount <= found.maximum.amount


@given(points=st.lists(st.integers(0, 10**6), max_size=8), value=VALUES, rate=RATES)
def test_parts_add_up(points: list[int], value: Decimal, rate: Decimal) -> None:
    whole = liability(sum(points), usd(value), rate).expected
    found = parts(whole, points)
    assert len(found) == len(points)
    assert sum((each.amount for each in found), Decimal(0)) == (whole.amount if points else 0)


@pytest.mark.parametrize(
    ("spent", "expired", "share"),
    [(0, 0, "1"), (10, 0, "1"), (0, 10, "0"), (80, 20, "0.8"), (1, 2, "0.333333"), (-5, 0, "1")],
)
def test_the_rate_is_what_became_of_points_whose_fate_is_known(
    spent: int, expired: int, share: str
) -> None:
    rate = expected_rate(None, spent, expired)
    assert (rate.share, rate.is_estimated) == (Decimal(share), True)
    assert expected_rate(Decimal("0.5"), spent, expired) == (Decimal("0.5"), False)


@pytest.mark.parametrize(
    ("value", "rate", "pointers"),
    [
        ("0.01", "0.8", []),
        ("0", "1.01", ["/point_value", "/redemption_rate"]),
        ("NaN", "NaN", ["/point_value", "/redemption_rate"]),
        ("Infinity", "-0.1", ["/point_value", "/redemption_rate"]),
        ("1000001", None, ["/point_value"]),
    ],
)
def test_what_cannot_be_is_refused(value: str, rate: str | None, pointers: list[str]) -> None:
    found = problems_of(Decimal(value), None if rate is None else Decimal(rate))
    assert [each.pointer for each in found] == pointers
