"""RFM: thresholds, decay, the 25 cells, profiles and quintiles."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.rfm.profile import NOBODY, Profile, profile_of
from domain.rfm.quintiles import quintiles
from domain.rfm.scoring import Score, decays_at, score
from domain.rfm.segments import CELLS, Segment, segment_of
from domain.rfm.thresholds import DEFAULT_THRESHOLDS, scaled
from tests.domain.shop import NOW, order, refund


def bought(orders=1, spent="0", days=0):
    last = NOW - timedelta(days=days)
    return Profile(orders, Decimal(spent), last, last)


def scored(profile, at=NOW):
    found = score(profile, DEFAULT_THRESHOLDS, at)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, 5), (7, 5), (8, 4), (30, 4), (31, 3), (60, 3), (61, 2), (90, 2), (91, 1), (4000, 1)],
)
def test_recency(days, expected):
    assert scored(bought(days=days)).r == expected


@pytest.mark.parametrize(
    ("orders", "expected"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 4), (9, 4), (10, 5), (99, 5)]
)
def test_frequency(orders, expected):
    assert scored(bought(orders)).f == expected


@pytest.mark.parametrize(
    ("spent", "expected"),
    [("0", 1), ("49.99", 1), ("50", 2), ("250", 3), ("999.99", 3), ("1000", 4), ("2500", 5)],
)
def test_monetary(spent, expected):
    assert scored(bought(spent=spent)).m == expected


def test_somebody_who_never_bought_has_no_score():
    assert score(NOBODY, DEFAULT_THRESHOLDS, NOW) is None
    assert decays_at(NOBODY, DEFAULT_THRESHOLDS, NOW) is None


def test_an_order_from_the_future_is_one_of_today():
    assert scored(bought(days=-3)).r == 5


def test_money_follows_the_shops_average_order():
    assert scaled(DEFAULT_THRESHOLDS, Decimal(200)).monetary == tuple(
        Decimal(step) for step in (10_000, 4000, 1000, 200)
    )
    assert scaled(DEFAULT_THRESHOLDS, Decimal(50)) == DEFAULT_THRESHOLDS
    assert scaled(DEFAULT_THRESHOLDS, Decimal(0)) == DEFAULT_THRESHOLDS


@given(st.integers(0, 120 * 24 * 60))
def test_a_score_holds_until_it_decays_and_no_longer(minutes):
    profile = bought(3, "80")
    at = NOW + timedelta(minutes=minutes)
    now = scored(profile, at)
    moment = decays_at(profile, DEFAULT_THRESHOLDS, at)
    if moment is None:
        assert now.r == 1
        return
    assert moment > at
    assert score(profile, DEFAULT_THRESHOLDS, moment - timedelta(microseconds=1)) == now
    assert scored(profile, moment).r == now.r - 1


def test_every_cell_has_exactly_one_segment():
    cells = Counter(cell for cells in CELLS.values() for cell in cells)
    assert cells == {f"{r}{f}": 1 for r in range(1, 6) for f in range(1, 6)}
    assert set(CELLS) == set(Segment)
    assert {segment_of(Score(r, f, 3)) for r in range(1, 6) for f in range(1, 6)} == set(Segment)
    assert segment_of(Score(5, 5, 1)) is Segment.CHAMPIONS
    assert segment_of(Score(1, 1, 5)) is Segment.LOST


def test_a_profile_counts_real_orders_net_of_refunds():
    first = order("20", order_id="1")
    later = replace(order("30", order_id="2"), created_at=NOW + timedelta(days=2))
    ignored = [order("99", order_id="3", test=True), order("99", order_id="4", cancelled_at=NOW)]
    back = [refund("r", "5", "1"), refund("r", "5", "1"), refund("q", "99", "2")]
    assert profile_of([first, later, *ignored], back) == Profile(
        2, Decimal(15), NOW, later.created_at
    )


def test_cancelling_the_only_order_leaves_nobody():
    assert profile_of([order(cancelled_at=NOW)]) == NOBODY


orders = st.builds(
    lambda number, days, amount, cancelled: replace(
        order(amount, order_id=str(number), cancelled_at=NOW if cancelled else None),
        created_at=NOW + timedelta(days=days),
    ),
    st.integers(),
    st.integers(0, 50),
    st.decimals(0, 500, places=2),
    st.booleans(),
)
baskets = st.lists(orders, max_size=6, unique_by=lambda facts: facts.order_id)


@settings(max_examples=60)
@given(baskets, st.data())
def test_a_profile_does_not_depend_on_the_order_of_arrival(basket, data):
    refunds = [refund(f"r{facts.order_id}", "5", facts.order_id) for facts in basket[::2]]
    shuffled = data.draw(st.permutations(basket))
    assert profile_of(shuffled, refunds[::-1]) == profile_of(basket, refunds)


@settings(max_examples=60)
@given(baskets, orders)
def test_a_cancellation_takes_back_exactly_what_its_order_gave(basket, extra):
    basket = [facts for facts in basket if facts.order_id != extra.order_id]
    cancelled = replace(extra, cancelled_at=NOW)
    assert profile_of([*basket, cancelled]) == profile_of(basket)


def test_quintiles_of_distinct_values_are_fifths():
    assert list(quintiles({n: n for n in range(10)}).values()) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_half_a_shop_with_one_order_shares_one_quintile():
    one_order = dict.fromkeys(range(50), 1)
    repeat = {n: n for n in range(50, 100)}
    found = quintiles(one_order | repeat)
    assert {found[n] for n in range(50)} == {2}
    assert found[99] == 5


@settings(max_examples=60)
@given(st.dictionaries(st.integers(), st.integers(0, 5), max_size=30), st.data())
def test_quintiles_are_stable_ordered_and_shared_by_equals(values, data):
    found = quintiles(values)
    shuffled = dict(data.draw(st.permutations(list(values.items()))))
    assert quintiles(shuffled) == found
    assert quintiles({}) == {}
    for a in values:
        for b in values:
            if values[a] <= values[b]:
                assert 1 <= found[a] <= found[b] <= 5
