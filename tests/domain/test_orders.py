"""Merging snapshots of an order: the order of deliveries must not matter."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.points.orders import InvalidOrderId, merge
from tests.domain.shop import NOW, order

moments = st.none() | st.integers(0, 3).map(lambda m: NOW + timedelta(minutes=m))
snapshots = st.builds(
    order,
    st.sampled_from(["10.00", "20.00"]),
    at=st.integers(0, 2),
    financial_status=st.sampled_from(["pending", "paid", "refunded"]),
    paid_at=moments,
    cancelled_at=moments,
    shipping=st.sampled_from([Decimal(0), Decimal(5)]),
    test=st.booleans(),
)


@settings(max_examples=200)
@given(snapshots, snapshots, snapshots)
def test_merge_is_commutative_associative_and_idempotent(a, b, c):
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a


def test_the_newer_snapshot_gives_the_amounts_and_nothing_unpays_an_order():
    placed = order("10.00", at=0, financial_status="paid")
    edited = order("12.00", at=1, financial_status="pending")
    merged = merge(edited, placed)
    assert merged.merchandise == Decimal("12.00")
    assert merged.paid


def test_a_cancellation_is_never_forgotten():
    cancelled = order(at=1, cancelled_at=NOW)
    assert merge(order(at=2), cancelled).cancelled


def test_two_orders_do_not_merge():
    with pytest.raises(InvalidOrderId):
        merge(order(), order(order_id="1002"))
    with pytest.raises(InvalidOrderId):
        order(order_id="")
