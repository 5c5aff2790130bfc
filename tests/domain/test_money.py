"""Money is exact, rounds as it is told and splits without losing a cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import (
    CurrencyMismatch,
    InvalidCurrency,
    Money,
    Rounding,
    allocate,
    exponent,
    of_minor,
    whole,
)


def usd(amount):
    return Money(Decimal(amount), "USD")


@pytest.mark.parametrize(("currency", "decimals"), [("JPY", 0), ("USD", 2), ("EUR", 2), ("KWD", 3)])
def test_minor_units(currency, decimals):
    assert exponent(currency) == decimals
    assert of_minor(1500, currency).minor(Rounding.DOWN) == 1500
    assert of_minor(1500, currency).amount == Decimal(1500) / 10**decimals


@pytest.mark.parametrize(
    ("value", "half_up", "down", "half_even", "up"),
    [("2.5", 3, 2, 2, 3), ("3.5", 4, 3, 4, 4), ("-2.5", -3, -2, -2, -3), ("2.01", 2, 2, 2, 3)],
)
def test_rounding(value, half_up, down, half_even, up):
    found = [
        whole(Decimal(value), mode)
        for mode in (Rounding.HALF_UP, Rounding.DOWN, Rounding.HALF_EVEN, Rounding.UP)
    ]
    assert found == [half_up, down, half_even, up]


def test_money_rounds_to_its_own_minor_unit():
    assert usd("1.005").rounded(Rounding.HALF_UP) == usd("1.01")
    assert Money(Decimal("99.5"), "JPY").rounded(Rounding.DOWN).amount == 99


def test_currencies_never_mix():
    assert usd("1") + usd("2") - usd("0.50") == usd("2.50")
    with pytest.raises(CurrencyMismatch):
        usd("1") + Money(Decimal(1), "EUR")
    for wrong in ("usd", "US", "USDT", "ÄÖÜ", ""):
        with pytest.raises(InvalidCurrency):
            Money(Decimal(1), wrong)


def test_the_odd_cent_goes_to_the_largest_fraction_then_the_earliest():
    thirds = allocate(usd("10.00"), [Decimal(1)] * 3, Rounding.DOWN)
    assert thirds == (usd("3.34"), usd("3.33"), usd("3.33"))
    shares = allocate(usd("0.05"), [Decimal("0.3"), Decimal("0.7")], Rounding.DOWN)
    assert shares == (usd("0.02"), usd("0.03"))  # 1.5 and 3.5 cents: a tie
    assert allocate(usd("-0.01"), [Decimal(0), Decimal(0)], Rounding.DOWN) == (
        usd("-0.01"),
        usd("0"),
    )


def test_a_share_needs_a_weight():
    for wrong in ([], [Decimal(-1)]):
        with pytest.raises(ValueError, match="weights"):
            allocate(usd("1"), wrong, Rounding.DOWN)


@given(
    st.integers(-(10**9), 10**9),
    st.lists(st.decimals(0, 10**6, places=4), min_size=1, max_size=8),
    st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_shares_add_up_and_are_within_a_unit_of_fair(units, weights, currency):
    total = of_minor(units, currency)
    shares = [share.minor(Rounding.DOWN) for share in allocate(total, weights, Rounding.DOWN)]
    assert sum(shares) == units
    if sum(weights):
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share - units * weight / sum(weights)) < 1
