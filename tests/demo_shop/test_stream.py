"""The made-up shop: the same every time, with every trap, and readable by the edge."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.shopify.webhooks import WebhookTranslator
from contracts.shop import Order, Refund
from infra.demo_shop.delivery import Delivery
from infra.demo_shop.stream import Plan, deliveries
from tests.adapters.shopify.samples import SEALER, SHOP

PLAN = Plan(
    seed=7,
    run="one",
    orders=400,
    customers=100,
    now=datetime(2026, 11, 20, 12, tzinfo=UTC),
    span=timedelta(days=730),
)
STREAM = deliveries(PLAN)


def said(delivery: Delivery) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(delivery.body)
    return payload


def of(*topics: str) -> list[dict[str, Any]]:
    return [said(each) for each in STREAM if each.topic in topics]


CREATED = of("orders/create")


def test_the_same_plan_makes_the_same_bytes():
    assert deliveries(PLAN) == STREAM


def test_another_run_or_seed_makes_other_orders_of_the_same_goods():
    def ids(stream: list[Delivery], topic: str) -> set[int]:
        return {said(each)["id"] for each in stream if each.topic == topic}

    other = deliveries(replace(PLAN, run="two"))
    for topic in ("orders/create", "customers/create", "refunds/create"):
        assert not ids(STREAM, topic) & ids(other, topic)
    assert ids(STREAM, "products/create") == ids(other, "products/create")
    assert not {each.webhook_id for each in STREAM} & {each.webhook_id for each in other}
    assert not ids(STREAM, "orders/create") & ids(
        deliveries(replace(PLAN, seed=8)), "orders/create"
    )


@pytest.mark.parametrize(
    ("trap", "found"),
    [
        ("guest", lambda o: o["customer"] is None),
        ("test", lambda o: o["test"]),
        ("pos", lambda o: o["source_name"] == "pos"),
        ("abroad", lambda o: o["presentment_currency"] != "USD"),
        ("discount", lambda o: o["discount_codes"]),
        ("pending", lambda o: o["financial_status"] == "pending"),
        ("gift card", lambda o: any(line["gift_card"] for line in o["line_items"])),
        ("only a gift card", lambda o: all(line["gift_card"] for line in o["line_items"])),
        ("several lines", lambda o: len(o["line_items"]) > 1),
    ],
)
def test_every_kind_of_order_is_there(trap: str, found: Any):
    assert 0 < sum(map(bool, map(found, CREATED))) < len(CREATED), trap


def test_cancellations_partial_and_full_refunds_are_there():
    assert all(each["cancelled_at"] for each in of("orders/cancelled"))
    statuses = {each["financial_status"] for each in of("orders/updated", "orders/cancelled")}
    assert {"partially_refunded", "refunded", "voided"} <= statuses
    floats = [line for each in of("refunds/create") for line in each["refund_line_items"]]
    assert any(
        str(line["subtotal"]) != line["subtotal_set"]["shop_money"]["amount"] for line in floats
    )


def test_repeats_are_identical_and_nothing_else_shares_a_webhook_id():
    counted = Counter(each.webhook_id for each in STREAM)
    repeated = {webhook for webhook, times in counted.items() if times > 1}
    assert repeated
    for webhook in repeated:
        assert len({each for each in STREAM if each.webhook_id == webhook}) == 1
    events = Counter(each.event_id for each in set(STREAM))
    assert max(events.values()) > 1


def first(topic: str) -> dict[int, int]:
    """Where in the stream the order of a delivery was first told of on ``topic``."""
    places: dict[int, int] = {}
    for place, each in enumerate(STREAM):
        if each.topic == topic:
            payload = said(each)
            places.setdefault(payload.get("order_id") or payload["id"], place)
    return places


def test_some_arrive_out_of_order():
    created, paid, refunded = map(first, ("orders/create", "orders/paid", "refunds/create"))
    assert any(paid[order] < created[order] for order in paid)
    assert any(refunded[order] < created[order] for order in refunded)
    signed_up = {said(e)["id"]: n for n, e in enumerate(STREAM) if e.topic == "customers/create"}
    bought = {
        said(e)["customer"]["id"]: n
        for n, e in reversed(list(enumerate(STREAM)))
        if e.topic == "orders/create" and said(e)["customer"]
    }
    assert any(signed_up[customer] > bought[customer] for customer in bought)
    assert bought.keys() <= signed_up.keys()


def test_half_of_the_buyers_buy_once_and_a_few_very_often():
    bought = Counter(each["customer"]["id"] for each in CREATED if each["customer"])
    once = sum(times == 1 for times in bought.values())
    assert 0.4 < once / len(bought) < 0.75
    assert max(bought.values()) >= 10


def test_nothing_lies_in_the_future_and_orders_fill_the_span():
    assert max(each.triggered_at for each in STREAM) <= PLAN.now
    placed = sorted(datetime.fromisoformat(each["created_at"]) for each in CREATED)
    assert placed[-1] - placed[0] > timedelta(days=700)
    assert PLAN.now - placed[-1] < timedelta(days=7)


def test_a_short_run_has_every_trap_too():
    short = deliveries(replace(PLAN, orders=120, customers=30, span=timedelta(days=7)))
    topics = {each.topic for each in short}
    assert {"refunds/create", "orders/cancelled", "orders/updated"} <= topics
    assert max(each.triggered_at for each in short) <= PLAN.now


def test_people_are_made_up():
    for each in of("customers/create"):
        assert each["email"].endswith(("@example.com", "@example.net"))
        assert each["email"].isascii()
    emails = [each["email"] for each in of("customers/create")]
    assert len(set(emails)) == len(emails)


def test_the_edge_understands_all_of_it_in_the_shops_currency():
    translator = WebhookTranslator(SEALER)
    for each in STREAM:
        body = translator.translate(each.topic, each.body, SHOP)
        if isinstance(body, Order):
            assert body.currency == "USD"
            lines = sum((line.total for line in body.lines if not line.gift_card), Decimal(0))
            assert body.subtotal == lines


def test_all_pieces_of_a_line_give_back_its_total():
    translator = WebhookTranslator(SEALER)
    seen = 0
    for each in STREAM:
        if each.topic != "orders/updated":
            continue
        body = translator.translate(each.topic, each.body, SHOP)
        assert isinstance(body, Order)
        if body.financial_status == "refunded":
            assert sum((refund.merchandise for refund in body.refunds), Decimal(0)) == body.subtotal
            seen += 1
    assert seen
    alone = {
        body.refund_id: body.merchandise
        for body in (translator.translate(e.topic, e.body, SHOP) for e in STREAM)
        if isinstance(body, Refund)
    }
    assert alone
