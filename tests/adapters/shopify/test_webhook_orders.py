"""Orders and refunds as Shopify tells of them: the documented samples, and traps of real shops."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from contracts.contact import Contact
from contracts.shop import digest_of_checkout, member_id
from ports.sealing import CONTACT
from tests.adapters.shopify.samples import (
    KEY,
    MERCHANT,
    ORDER,
    REFUND,
    SEALER,
    line,
    money,
    order,
    refused,
    translate,
)


def test_the_documented_order():
    found = translate("orders/create", ORDER)
    assert found.order_id == "820982911946154508"
    assert (found.number, found.currency, found.source) == ("#1001", "USD", "web")
    assert (found.subtotal, found.shipping) == (Decimal(393), Decimal(10))
    assert (found.tax, found.total) == (Decimal(0), Decimal(403))
    assert found.created_at == datetime(2026, 11, 20, 13, 9, 3, tzinfo=UTC)
    assert found.updated_at == datetime(2026, 11, 20, 13, 9, 5, tzinfo=UTC)
    assert found.discount_codes == ("LOY-8F3K2",)
    assert found.cancelled_at is None
    assert not found.test
    (only,) = found.lines
    assert (only.line_id, only.product_id) == ("866550311766439020", "632910392")
    assert (only.quantity, only.price, only.total) == (2, Decimal(199), Decimal(393))
    assert found.customer.shopify_customer_id == "115310627314723954"
    assert found.customer.customer_id == member_id(MERCHANT, "115310627314723954")
    assert found.customer.email_index == SEALER.blind_index(KEY, "JON@example.com")
    about = str(found.customer.customer_id)
    contact = SEALER.open(KEY, found.customer.sealed_contact, CONTACT, about)
    assert msgspec.json.decode(contact, type=Contact) == Contact(email="jon@example.com")


def test_a_guest_leaves_nothing_behind():
    found = order(customer=None)
    assert found.customer is None
    assert b"sealed" not in msgspec.json.encode(found)


def test_a_till_and_a_test_order_say_so():
    till = {"source_name": "pos", "source_identifier": "1-1001", "checkout_token": "c0ffee"}
    told = order(**till)
    assert (told.source, told.receipt) == ("pos", "1-1001")
    assert told.checkout_digest == digest_of_checkout("c0ffee")
    assert b"c0ffee" not in msgspec.json.encode(told)
    online = order(**(till | {"source_name": "web"}))
    assert (online.receipt, online.checkout_digest) == ("", "")
    assert order(test=True).test


def test_ids_beyond_the_reach_of_floats_stay_exact():
    assert order(id=2**53 + 1).order_id == str(2**53 + 1)
    assert order(id=2**63 - 1).order_id == str(2**63 - 1)


def test_gift_cards_are_no_spend_but_stay_lines():
    items = [line(1, "100.00"), line(2, "50.00", gift_card=True)]
    for said in ({"subtotal_price": "150.00"}, {"subtotal_price": None}):
        found = order(line_items=items, **said)
        assert found.subtotal == Decimal(100)
        assert [each.gift_card for each in found.lines] == [False, True]
    assert order(line_items=[items[1]], subtotal_price="50.00").subtotal == 0


def test_line_totals_are_less_their_discounts():
    discounts = [{"amount": "2.50"}, {"amount": "9.99", "amount_set": money("1.25")}]
    items = [line(1, "10.00", 3, discount_allocations=discounts)]
    found = order(line_items=items, subtotal_price=None)
    assert found.lines[0].total == found.subtotal == Decimal("26.25")


def test_a_discount_that_no_line_tells_of_still_lowers_the_spend():
    assert order(line_items=[line(1, "100.00")], subtotal_price="90.00").subtotal == 90


def test_spend_is_as_ordered_whatever_was_refunded_since():
    found = order(current_subtotal_price="0.00", current_subtotal_price_set=money("0.00"))
    assert found.subtotal == Decimal(393)


def test_a_foreign_presentment_currency_never_leaks():
    found = order(
        presentment_currency="JPY",
        subtotal_price="59000",
        subtotal_price_set=money("393.00", "59000"),
        total_tax="1500",
        total_tax_set=money("10.00", "1500"),
        total_price="62000",
        total_price_set=money("413.00", "62000"),
        total_shipping_price_set=money("10.00", "1500"),
        shipping_lines=[{"price": "1500"}],
        line_items=[line(1, "59000", price_set=money("393.00", "59000"))],
    )
    assert (found.subtotal, found.tax, found.total) == (393, 10, 413)
    assert (found.shipping, found.lines[0].price, found.lines[0].total) == (10, 393, 393)
    written = msgspec.json.encode(found)
    assert b"JPY" not in written
    assert b"59000" not in written


def test_a_subscription_without_lines_or_subtotal():
    whole = json.loads(ORDER)
    del whole["line_items"]
    assert translate("orders/paid", whole).subtotal == Decimal(393)
    del whole["subtotal_price"]
    assert refused("orders/paid", whole) == "/subtotal_price"


def test_an_order_of_required_fields_only():
    found = translate(
        "orders/create",
        {"id": 1, "currency": "USD", "created_at": "2026-01-01T00:00:00Z", "line_items": []},
    )
    assert found.updated_at == found.processed_at == found.created_at
    assert (found.subtotal, found.lines, found.refunds) == (0, (), ())


def test_null_where_shopify_may_send_null():
    found = order(
        **dict.fromkeys(
            [
                "name",
                "test",
                "source_name",
                "financial_status",
                "email",
                "updated_at",
                "taxes_included",
                "discount_codes",
                "shipping_lines",
                "refunds",
                "total_tax",
            ]
        )
    )
    assert found.refunds == found.discount_codes == ()
    assert found.customer.sealed_contact


def test_a_refund_is_read_from_the_set_and_never_from_the_float():
    found = translate("refunds/create", REFUND)
    assert (found.refund_id, found.order_id) == ("509562969", "820982911946154508")
    assert found.merchandise == Decimal("196.50")
    assert found.amount_only == 0
    without = {**REFUND, "refund_line_items": [{"id": 1, "subtotal": 196.5}]}
    assert refused("refunds/create", without) == "/refund_line_items/0/subtotal_set"


def test_refunds_inside_an_order_are_carried_along():
    inside = {key: value for key, value in REFUND.items() if key != "order_id"}
    (found,) = order(refunds=[inside]).refunds
    assert found == translate("refunds/create", REFUND)


def test_a_refunded_gift_card_is_no_merchandise():
    item = {"line_item_id": 7, "subtotal_set": money("50.00")}
    said = {**REFUND, "refund_line_items": [{**item, "line_item": {"gift_card": True}}]}
    assert translate("refunds/create", said).merchandise == 0
    # Inside an order the order's own line tells, where the refund does not.
    (found,) = order(
        line_items=[line(7, "50.00", gift_card=True)],
        refunds=[{**REFUND, "refund_line_items": [item]}],
    ).refunds
    assert found.merchandise == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"order_adjustments": [{"kind": "refund_discrepancy", "amount": "-7.00"}]}, "7.00"),
        (
            {
                "order_adjustments": [
                    {"kind": "refund_discrepancy", "amount": "-900", "amount_set": money("-6.00")},
                    {"kind": "shipping_refund", "amount": "-5.00"},
                ]
            },
            "6.00",
        ),
        ({"order_adjustments": [{"kind": "refund_discrepancy", "amount": "3.00"}]}, "0"),
        (
            {
                "transactions": [
                    {"kind": "refund", "status": "success", "amount_set": money("4.00")},
                    {"kind": "refund", "status": "failure", "amount_set": money("8.00")},
                    {"kind": "refund", "status": "success", "amount": "900"},
                ]
            },
            "4.00",
        ),
    ],
)
def test_what_was_refunded_without_naming_goods(changes: dict[str, Any], expected: str):
    found = translate("refunds/create", {**REFUND, "refund_line_items": [], **changes})
    assert found.merchandise == 0
    assert found.amount_only == Decimal(expected)
