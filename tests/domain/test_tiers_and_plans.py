"""Tiers and plans: steps that are reached exactly at their threshold."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.plans import TERMS, Plan, crossed
from domain.tiers import DEFAULT_LADDER, TierLadder, TierMetric, standing, tier_for


@pytest.mark.parametrize(
    ("spend", "tier", "distance"),
    [
        ("0", None, "100"),
        ("99.99", None, "0.01"),
        ("100", "Silver", "400"),
        ("499.99", "Silver", "0.01"),
        ("500", "Gold", "0"),
        ("9000", "Gold", "0"),
    ],
)
def test_where_a_member_stands(spend, tier, distance):
    found = standing(DEFAULT_LADDER, Decimal(spend))
    assert (found.tier.name if found.tier else None) == tier
    assert found.distance == Decimal(distance)
    assert tier_for(DEFAULT_LADDER, Decimal(spend)) == found.tier


def test_a_ladder_without_tiers():
    found = standing(TierLadder(TierMetric.ORDERS, ()), Decimal(5))
    assert (found.tier, found.next, found.distance) == (None, None, Decimal(0))


def test_the_plans():
    assert [(t.monthly_usd, t.orders) for t in TERMS.values()] == [
        (0, 300),
        (29, 500),
        (99, 1500),
        (None, None),
    ]
    assert set(TERMS) == set(Plan)


@pytest.mark.parametrize(
    ("before", "after", "warnings"),
    [
        (238, 239, ()),
        (239, 240, (80,)),
        (240, 241, ()),
        (299, 300, (100,)),
        (300, 301, ()),
        (0, 300, (80, 100)),
    ],
)
def test_usage_warnings(before, after, warnings):
    assert crossed(before, after, 300) == warnings
    assert crossed(before, after, None) == ()


@given(st.lists(st.integers(1, 200), max_size=12), st.integers(1, 1500))
def test_each_warning_goes_out_at_most_once(steps, limit):
    used = 0
    heard: list[int] = []
    for step in steps:
        heard += crossed(used, used + step, limit)
        used += step
    assert heard == [p for p in (80, 100) if used * 100 >= p * limit]
