"""Two ways to one number: the domain's ledger, fed by the edge's translation, and the oracle."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from adapters.shopify.webhooks import WebhookTranslator
from contracts.shop import CustomerRecord, Order, Refund
from domain.points.ledger import EntryDraft, due_entries, signup_entry
from domain.points.orders import OrderFacts, RefundFacts, merge
from domain.program import defaults
from infra.demo_shop.delivery import Delivery
from infra.demo_shop.oracle import expected_points
from infra.demo_shop.stream import Plan, deliveries
from tests.adapters.shopify.samples import SEALER, SHOP

SETTINGS = defaults("USD")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def facts_of(order: Order) -> OrderFacts | None:
    if order.customer is None:
        return None
    return OrderFacts(
        order_id=order.order_id,
        customer_id=order.customer.customer_id,
        currency=order.currency,
        financial_status=order.financial_status,
        created_at=order.created_at,
        updated_at=order.updated_at,
        merchandise=order.subtotal,
        shipping=order.shipping,
        tax=order.tax,
        test=order.test,
        cancelled_at=order.cancelled_at,
    )


def booked_points(stream: list[Delivery]) -> dict[str, int]:
    """Points by Shopify customer id, booked delivery by delivery."""
    translator = WebhookTranslator(SEALER)
    facts: dict[str, OrderFacts] = {}
    buyers: dict[str, str] = {}
    refunds: dict[str, dict[str, RefundFacts]] = defaultdict(dict)
    posted: dict[str, list[EntryDraft]] = defaultdict(list)
    signups: dict[str, int] = {}
    for delivery in stream:
        body = translator.translate(delivery.topic, delivery.body, SHOP)
        if isinstance(body, CustomerRecord):
            entry = signup_entry(SETTINGS, body.shopify_customer_id)
            signups[body.shopify_customer_id] = entry.points if entry else 0
        told = body.refunds if isinstance(body, Order) else ()
        for refund in (body,) if isinstance(body, Refund) else told:
            refunds[refund.order_id][refund.refund_id] = RefundFacts(
                refund.refund_id, refund.order_id, refund.merchandise, refund.created_at
            )
        if isinstance(body, Order) and body.customer and (new := facts_of(body)):
            known = facts.get(body.order_id)
            facts[body.order_id] = merge(known, new) if known else new
            buyers[body.order_id] = body.customer.shopify_customer_id
        for order_id in {getattr(body, "order_id", "")} & facts.keys():
            posted[order_id] += due_entries(
                facts[order_id], refunds[order_id].values(), posted[order_id], SETTINGS
            )
    wallets = dict(signups)
    for order_id, buyer in buyers.items():
        earned = sum(entry.points for entry in posted[order_id])
        wallets[buyer] = wallets.get(buyer, 0) + earned
    return wallets


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_ledger_and_the_oracle_agree_to_the_point(shuffled: bool):
    plan = Plan(11, "agree", 400, 100, NOW, timedelta(days=730), announce_products=False)
    stream = deliveries(plan)
    if shuffled:
        Random(11).shuffle(stream)
    assert booked_points(stream) == expected_points(stream)
