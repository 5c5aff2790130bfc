"""What a purchase earns under the rules of the program."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import CurrencyMismatch, Rounding
from domain.points.bonus import Bonus
from domain.points.earning import RuleSnapshot, purchase_points, reprice
from domain.program import PurchaseRule, SpendRule
from tests.domain.shop import NOW, USD, order, refund, replay


def points(facts, factor="1", **rule):
    bonuses = (Bonus("bonus", Decimal(factor)),)
    program = replace(USD, purchase=PurchaseRule(**rule), bonuses=bonuses)
    return purchase_points(program, facts).points


def test_one_point_per_dollar_and_no_point_for_an_unfinished_one():
    assert points(order("15.00")) == 15
    assert points(order("15.99")) == 15
    assert points(order("0.99")) == 0


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [(Rounding.DOWN, 2), (Rounding.HALF_EVEN, 2), (Rounding.HALF_UP, 3), (Rounding.UP, 3)],
)
def test_rounding_is_the_merchants_choice(rounding, expected):
    assert points(order("2.50"), rounding=rounding) == expected


def test_rate_and_bonus_are_rounded_once_at_the_end():
    assert points(order("3.00"), "1.5", points_per_unit=Decimal("0.5")) == 2  # 2.25
    assert points(order("2.50"), "1.5", points_per_unit=Decimal(10)) == 37  # 37.5


def test_spend_below_the_minimum_earns_nothing():
    assert points(order("49.99"), minimum_spend=Decimal(50)) == 0
    assert points(order("50.00"), minimum_spend=Decimal(50)) == 50


def test_no_order_earns_more_than_a_wallet_can_count():
    dear = order("1" + "0" * 12)
    assert points(dear) == 10**12
    assert points(dear, factor="100", points_per_unit=Decimal(10_000)) == 10**12
    assert points(order("1" + "0" * 27), factor="100", points_per_unit=Decimal(10_000)) == 10**12


def test_shipping_and_tax_count_only_when_the_merchant_says_so():
    facts = order("10.00", shipping=Decimal(5), tax=Decimal(2))
    assert purchase_points(USD, facts).points == 10
    both = replace(USD, spend=SpendRule(include_shipping=True, include_tax=True))
    assert purchase_points(both, facts).points == 17


def test_test_orders_and_disabled_rules_earn_nothing():
    assert points(order("10.00", test=True)) == 0
    assert points(order("10.00"), enabled=False) == 0


def test_what_was_bought_before_the_shop_came_earns_nothing():
    came = replace(USD, earns_from=NOW.isoformat())
    assert purchase_points(came, order("30", created_at=NOW)).points == 30
    before = order("30", created_at=NOW - timedelta(microseconds=1), financial_status="paid")
    assert purchase_points(came, before).points == 0
    assert replay([before, replace(before, merchandise=Decimal(40)), refund("r", "30")], came) == []
    assert purchase_points(USD, before).points == 30


def test_a_foreign_currency_never_earns():
    with pytest.raises(CurrencyMismatch):
        purchase_points(USD, order("10.00", currency="EUR"))


def test_an_edited_order_is_priced_by_the_terms_it_was_earned_by():
    doubled = replace(USD, bonuses=(Bonus("bonus", Decimal(2)),))
    snapshot = purchase_points(doubled, order("10.00")).snapshot
    assert reprice(snapshot, order("12.00", tax=Decimal(9))).points == 24


@given(
    st.decimals(0, 10_000, places=2),
    st.decimals(0, 100, places=3),
    st.sampled_from(Rounding),
    st.booleans(),
)
def test_a_snapshot_survives_the_store(merchandise, rate, rounding, tax):
    program = replace(
        USD,
        purchase=PurchaseRule(points_per_unit=rate, rounding=rounding),
        spend=SpendRule(include_tax=tax),
    )
    snapshot = purchase_points(program, order(merchandise)).snapshot
    stored = snapshot.to_dict()
    assert {type(value) for value in stored.values()} <= {str, int}
    assert RuleSnapshot.from_dict(stored) == snapshot
