"""The oracle: hand-made cases, and the same answer for any order of arrival."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.demo_shop.delivery import Delivery
from infra.demo_shop.oracle import accepted_orders, expected_points
from infra.demo_shop.stream import Plan, deliveries

AT = datetime(2026, 11, 20, tzinfo=UTC)


def told(topic: str, payload: dict[str, Any]) -> Delivery:
    return Delivery(topic, f"{topic}/{id(payload)}", "event", AT, json.dumps(payload).encode())


def line(number: int, price: str, quantity: int = 1, off: str = "", gift: bool = False) -> Any:
    discounts = [{"amount": off}] if off else []
    return {
        "id": number,
        "price": price,
        "quantity": quantity,
        "gift_card": gift,
        "discount_allocations": discounts,
    }


def refund(number: int, *amounts: str, gift: bool = False) -> dict[str, Any]:
    return {
        "id": number,
        "order_id": 1,
        "refund_line_items": [
            {"subtotal_set": {"shop_money": {"amount": a}}, "line_item": {"gift_card": gift}}
            for a in amounts
        ],
    }


def order(*lines: Any, **changes: Any) -> Delivery:
    payload = {
        "id": 1,
        "customer": {"id": 9},
        "test": False,
        "cancelled_at": None,
        "line_items": list(lines),
        "refunds": [],
    }
    return told("orders/create", {**payload, **changes})


def test_a_point_for_each_whole_unit_and_200_for_signing_up():
    assert expected_points([order(line(1, "19.99"))]) == {"9": 19}
    assert expected_points([told("customers/create", {"id": 9})]) == {"9": 200}
    both = [told("customers/create", {"id": 9}), order(line(1, "19.99"))]
    assert expected_points(both * 2) == {"9": 219}


def test_what_earns_nothing():
    assert expected_points([order(line(1, "50.00", gift=True))]) == {"9": 0}
    assert expected_points([order(line(1, "50.00"), test=True)]) == {"9": 0}
    assert expected_points([order(line(1, "50.00"), cancelled_at="2026")]) == {"9": 0}
    assert expected_points([order(line(1, "50.00"), customer=None)]) == {}
    assert expected_points([told("refunds/create", refund(1, "5.00"))]) == {}


def test_the_partial_refunds_of_the_field_guide():
    # 2 x $10 less a $5 voucher, $2.50 on each: 15 points; one back leaves 8, both leave nothing.
    bought = order(line(1, "10.00", off="2.50"), line(2, "10.00", off="2.50"))
    one, two = (told("refunds/create", refund(n, "7.50")) for n in (1, 2))
    assert expected_points([bought]) == {"9": 15}
    assert expected_points([one, bought]) == {"9": 8}
    assert expected_points([one, bought, two, one]) == {"9": 0}


def test_a_refund_counts_once_inside_its_order_and_beside_it():
    inside = order(line(1, "100.00"), refunds=[refund(1, "30.00")])
    assert expected_points([inside, told("refunds/create", refund(1, "30.00"))]) == {"9": 70}


def test_a_refunded_gift_card_takes_nothing_back():
    bought = order(line(1, "100.00"), line(2, "50.00", gift=True))
    assert expected_points([bought, told("refunds/create", refund(1, "50", gift=True))]) == {
        "9": 100
    }


@given(st.lists(st.integers(1, 999), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_split_into_refunds_ends_like_one(cents: list[int], random: Random):
    total = f"{sum(cents) / 100:.2f}"
    parts = [told("refunds/create", refund(n, f"{c / 100:.2f}")) for n, c in enumerate(cents)]
    stream = [order(line(1, total)), *parts]
    random.shuffle(stream)
    assert expected_points(stream) == {"9": 0}


@pytest.mark.parametrize("seed", range(3))
def test_neither_repeats_nor_the_order_of_arrival_matter(seed: int):
    plan = Plan(seed, "oracle", 150, 40, AT, timedelta(days=30), announce_products=False)
    stream = deliveries(plan)
    expected = expected_points(stream)
    shuffled = stream + stream[::3]
    Random(seed).shuffle(shuffled)
    assert expected_points(shuffled) == expected
    assert len(expected) == 40
    assert sum(expected.values()) > 40 * 200
    assert len(accepted_orders(shuffled)) == 150
