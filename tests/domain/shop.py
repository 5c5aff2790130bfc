"""What an order, a refund and a program look like in these tests, and how to replay deliveries."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.points.ledger import EntryDraft, due_entries
from domain.points.orders import OrderFacts, RefundFacts, merge
from domain.program import ProgramSettings, defaults

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MEMBER = UUID(int=7)
USD = defaults("USD")


def order(
    merchandise: str | Decimal = "15.00", *, order_id: str = "1001", at: int = 0, **more
) -> OrderFacts:
    """An unpaid order; ``at`` is the snapshot's age in minutes after it was placed."""
    told: dict[str, Any] = {
        "order_id": order_id,
        "customer_id": MEMBER,
        "currency": "USD",
        "financial_status": "pending",
        "created_at": NOW,
        "updated_at": NOW + timedelta(minutes=at),
        "merchandise": Decimal(merchandise),
    }
    return OrderFacts(**(told | more))


def refund(refund_id: str, merchandise: str | Decimal, order_id: str = "1001") -> RefundFacts:
    return RefundFacts(refund_id, order_id, Decimal(merchandise), NOW + timedelta(days=1))


def replay(
    deliveries: list[OrderFacts | RefundFacts], settings: ProgramSettings = USD, **more
) -> list[EntryDraft]:
    """The ledger after the deliveries were handled one by one, the way a consumer does it."""
    facts: OrderFacts | None = None
    refunds: list[RefundFacts] = []
    ledger: list[EntryDraft] = []
    for delivery in deliveries:
        if isinstance(delivery, RefundFacts):
            refunds.append(delivery)
        else:
            facts = delivery if facts is None else merge(facts, delivery)
        if facts is not None:
            ledger += due_entries(facts, refunds, ledger, settings, **more)
            assert due_entries(facts, refunds, ledger, settings, **more) == []
    keys = [entry.key for entry in ledger]
    assert len(keys) == len(set(keys)), "an entry was posted twice"
    return ledger


def net(ledger: list[EntryDraft]) -> int:
    return sum(entry.points for entry in ledger)
