"""Whom events concern, by which batches are taken apart."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from contracts.shop import CustomerRecord, Order, OrderCustomer, ProductGone, Refund, whose

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ANN, BOB = uuid4(), uuid4()


def order(order_id: str, member: UUID | None) -> Order:
    customer = None
    if member is not None:
        customer = OrderCustomer(customer_id=member, shopify_customer_id="7")
    return Order(
        order_id=order_id,
        number="1",
        currency="USD",
        test=False,
        source="web",
        financial_status="paid",
        created_at=NOW,
        updated_at=NOW,
        processed_at=NOW,
        subtotal=Decimal(1),
        shipping=Decimal(0),
        tax=Decimal(0),
        total=Decimal(1),
        customer=customer,
    )


def refund(order_id: str) -> Refund:
    return Refund(refund_id="r", order_id=order_id, created_at=NOW, merchandise=Decimal(1))


def signup(member: UUID) -> CustomerRecord:
    return CustomerRecord(
        customer_id=member, shopify_customer_id="7", created_at=NOW, updated_at=NOW
    )


def test_all_that_is_about_a_member_concerns_them() -> None:
    events = [refund("1"), order("1", ANN), order("2", BOB), signup(ANN), signup(BOB), refund("2")]
    assert whose(events) == [ANN, ANN, BOB, ANN, BOB, BOB]


def test_an_order_that_nobody_is_known_to_have_placed_stays_with_its_refunds() -> None:
    assert whose([order("1", None), refund("1"), refund("2")]) == ["1", "1", "2"]


def test_an_order_that_got_a_customer_is_theirs_from_the_beginning() -> None:
    assert whose([order("1", None), order("1", ANN), signup(ANN)]) == [ANN, ANN, ANN]


def test_the_catalogue_concerns_everybody() -> None:
    assert whose([order("1", ANN), ProductGone(product_id="3")]) is None
