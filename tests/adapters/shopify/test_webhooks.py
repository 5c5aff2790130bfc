"""The translation: the documented samples, traps of real shops, no personal data in clear."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.shopify.context import MerchantContext
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.webhooks import TOPICS, WebhookTranslator
from contracts.contact import Contact
from contracts.shop import CONTRACTS, digest_of_checkout, member_id
from domain.errors import Kind
from ports.sealing import CONTACT, PRIVACY_REQUEST
from tests.adapters.shopify.samples import (
    COLLECTION,
    CUSTOMER,
    KEY,
    MERCHANT,
    MERGE,
    ORDER,
    PRIVACY,
    PRODUCT,
    REFUND,
    SAMPLES,
    SEALER,
    SHOP,
    TRIGGERED,
    order,
    translate,
)


def money(shop: str, presentment: str = "1.23") -> dict[str, Any]:
    return {
        "shop_money": {"amount": shop, "currency_code": "USD"},
        "presentment_money": {"amount": presentment, "currency_code": "JPY"},
    }


def line(number: int, price: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "price": price, "quantity": quantity, **more}


def refused(topic: str, payload: dict[str, Any] | bytes) -> str:
    """The pointer of the refusal."""
    with pytest.raises(MalformedPayload) as refusal:
        translate(topic, payload)
    assert refusal.value.kind is Kind.INVALID
    (problem,) = refusal.value.problems
    return problem.pointer


def test_every_declared_topic_is_translated_to_its_event():
    assert {webhook.topic: webhook.event.body for webhook in CONTRACTS.webhooks} == {
        topic: type(translate(topic, SAMPLES[topic])) for topic in TOPICS
    }


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


def test_a_deleted_customer_is_named_by_ids():
    found = translate("customers/delete", SAMPLES["customers/delete"])
    assert found.shopify_customer_id == "706405506930370084"
    assert found.customer_id == member_id(MERCHANT, "706405506930370084")


def test_only_a_completed_merge_is_one():
    failed = translate("customers/merge", MERGE)
    assert not failed.completed
    found = translate("customers/merge", MERGE | {"status": "completed", "errors": []})
    assert found.completed
    assert (found.kept_shopify_customer_id, found.merged_shopify_customer_id) == ("1", "2")
    assert found.kept_customer_id == member_id(MERCHANT, "1")
    assert found.merged_customer_id == member_id(MERCHANT, "2")
    for status in ("requested", "in_progress", "", "Completed?"):
        assert not translate("customers/merge", MERGE | {"status": status}).completed


@pytest.mark.parametrize(
    "gid",
    [
        "",
        "1",
        "gid://shopify/Order/1",
        "gid://shopify/Customer/",
        "gid://shopify/Customer/0",
        "gid://shopify/Customer/1?x",
        "gid://shopify/Customer/1\n",
        "gid://shopify/Customer/" + "9" * 20,
    ],
)
def test_a_merge_names_customers(gid: str):
    for which in ("kept", "deleted"):
        field = f"admin_graphql_api_customer_{which}_id"
        assert refused("customers/merge", MERGE | {field: gid}) == f"/{field}"


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


def test_an_address_is_verified_only_where_shopify_says_so_of_the_customers_own():
    own = {"id": 5, "email": "own@example.com", "verified_email": True}
    assert order(customer=own).customer.email_verified
    assert translate("customers/update", CUSTOMER | own).email_verified
    for less in ({"verified_email": False}, {"verified_email": None}, {"email": None}):
        assert not order(email="typed@example.com", customer=own | less).customer.email_verified
        assert not translate("customers/update", CUSTOMER | own | less).email_verified
    unsaid = {name: value for name, value in CUSTOMER.items() if name != "verified_email"}
    assert not translate("customers/update", unsaid).email_verified


def test_a_customer_of_whom_nothing_is_known_has_nothing_sealed():
    found = order(email=None, customer={"id": 5, "email": None})
    assert found.customer.shopify_customer_id == "5"
    assert found.customer.email_index == found.customer.sealed_contact == ""


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


def test_a_customer():
    found = translate("customers/create", {**CUSTOMER, "locale": "fr"})
    assert found.customer_id == member_id(MERCHANT, "115310627314723954")
    assert found.language == "fr"
    assert found.updated_at == datetime(2026, 11, 2, 15, tzinfo=UTC)
    assert found.email_index == SEALER.blind_index(KEY, "jon.snow@example.com")
    opened = SEALER.open(KEY, found.sealed_contact, CONTACT, str(found.customer_id))
    contact = msgspec.json.decode(opened, type=Contact)
    assert contact.phone == "+15556251199"
    assert (contact.first_name, contact.last_name) == ("Jon", "Snow-Stark")


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_without_a_key_nothing_personal_is_told(topic: str):
    shop = MerchantContext(MERCHANT, None, TRIGGERED)
    told = WebhookTranslator(SEALER).translate(topic, SAMPLES[topic], shop)
    assert b"sealed" not in msgspec.json.encode(told)
    assert b"email" not in msgspec.json.encode(told)


def test_a_product():
    found = translate("products/create", PRODUCT)
    assert (found.product_id, found.title, found.vendor) == ("632910392", "Mug", "Clay & Co")
    assert (found.price_min, found.price_max) == (Decimal("14.50"), Decimal("19.90"))
    assert found.tags == ("blue", "gift", "kitchen")
    assert found.image_url == "https://cdn.example.com/mug.png"
    listed = translate("products/update", {**PRODUCT, "tags": ["a", "b"], "variants": []})
    assert (listed.tags, listed.price_max) == (("a", "b"), Decimal(0))
    assert translate("products/delete", b'{"id":632910392}').product_id == "632910392"


def test_a_collection_is_named_and_nothing_else():
    changed = translate("collections/update", COLLECTION)
    assert msgspec.to_builtins(changed) == {"collection_id": "408372092144951419"}
    gone = translate("collections/delete", {"id": 408372092144951419})
    assert gone.collection_id == "408372092144951419"
    assert refused("collections/update", {"id": "gid://shopify/Collection/1"}) == "/id"
    assert refused("collections/delete", {}) == "/id"


def test_an_app_that_is_removed_is_removed_when_shopify_says():
    found = translate("app/uninstalled", SAMPLES["app/uninstalled"])
    assert (found.shop_domain, found.removed_at) == ("demo-store.myshopify.com", TRIGGERED)


def test_scopes_that_a_shop_grants_now():
    found = translate("app/scopes_update", SAMPLES["app/scopes_update"])
    assert found.granted == ("read_orders", "write_customers")
    assert found.changed_at == datetime(2026, 11, 21, 9, tzinfo=UTC)
    found = translate("app/scopes_update", {"current": ["read_a", "read_a"]})
    assert (found.granted, found.changed_at) == (("read_a",), TRIGGERED)


def test_compliance_requests_name_ids_and_keep_the_original_sealed():
    asked = translate("customers/data_request", PRIVACY["customers/data_request"])
    assert (asked.request_key, asked.shopify_customer_id) == ("9999", "191167")
    assert asked.customer_id == member_id(MERCHANT, "191167")
    assert asked.order_ids == ("299938",)
    original = SEALER.open(KEY, asked.sealed_payload, PRIVACY_REQUEST, "9999")
    assert json.loads(original) == PRIVACY["customers/data_request"]
    redacted = translate("customers/redact", PRIVACY["customers/redact"])
    assert (redacted.request_key, redacted.order_ids) == ("191167", ("299938",))
    gone = translate("shop/redact", PRIVACY["shop/redact"])
    assert (gone.request_key, gone.customer_id) == ("954889", None)


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_no_personal_data_of_the_input_is_in_the_output(topic: str):
    written = msgspec.json.encode(translate(topic, SAMPLES[topic])).decode().lower()
    for private in ("jon", "snow", "stark", "@", "555", "castle", "john"):
        assert private not in _without_sealed(written)


def test_a_full_order_shows_nothing_of_its_customer():
    found = order(
        customer={**CUSTOMER, "note": "likes Jon"},
        phone="+15556251199",
        billing_address={"name": "Jon Snow-Stark", "address1": "1 Castle Black Road"},
        note="for Jon",
    )
    written = _without_sealed(msgspec.json.encode(found).decode().lower())
    for private in ("jon", "snow", "stark", "@", "555625", "castle"):
        assert private not in written


def _without_sealed(written: str) -> str:
    """Sealed texts are random and may hold any three letters by chance."""
    kept = json.loads(written)
    for holder in (kept, kept.get("customer") or {}):
        for name in ("sealed_contact", "sealed_payload", "email_index", "customer_id"):
            holder.pop(name, None)
    return json.dumps(kept)


@pytest.mark.parametrize("topic", sorted(TOPICS - {"app/uninstalled"}))
def test_a_missing_id_is_named(topic: str):
    wanted = {
        "customers/data_request": "customer",
        "customers/redact": "customer",
        "app/scopes_update": "current",
        "pos/offline_sync": "till_id",
        "customers/merge": "admin_graphql_api_customer_kept_id",
    }
    field = "shop_id" if topic == "shop/redact" else wanted.get(topic, "id")
    payload = json.loads(SAMPLES[topic])
    del payload[field]
    assert refused(topic, payload) == f"/{field}"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"id": "820982911946154508"}, "/id"),
        ({"id": 0}, "/id"),
        ({"id": 10**400}, "/id"),
        ({"id": 1.5}, "/id"),
        ({"currency": None}, "/currency"),
        ({"created_at": "2026-11-20T08:09:03"}, "/created_at"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "/created_at"),
        ({"updated_at": "9999-12-31T23:59:59-14:00"}, "/updated_at"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "/created_at"),
        ({"created_at": "9999-12-31T23:59:59Z"}, "/created_at"),
        ({"subtotal_price": "NaN"}, "/subtotal_price"),
        ({"subtotal_price": "1e999999"}, "/subtotal_price"),
        ({"subtotal_price": "١٢"}, "/subtotal_price"),
        ({"subtotal_price": 393.0}, "/subtotal_price"),
        ({"total_price_set": money("Infinity")}, "/total_price_set/shop_money/amount"),
        ({"line_items": [line(1, "1.00"), {"id": 2}]}, "/line_items/1/quantity"),
        ({"line_items": [{"id": 2, "quantity": 1}]}, "/line_items/0/price"),
        ({"line_items": [line(1, "1.00", -1)]}, "/line_items/0/quantity"),
        ({"line_items": [line(1, "1.00", 10**9)]}, "/line_items/0/quantity"),
        ({"customer": {"email": "jon@example.com"}}, "/customer/id"),
        ({"refunds": [{"id": 1}, {}]}, "/refunds/1/id"),
    ],
)
def test_what_is_wrong_is_pointed_at(changes: dict[str, Any], pointer: str):
    assert refused("orders/create", {**json.loads(ORDER), **changes}) == pointer


def test_a_refund_needs_its_order_and_a_time():
    for field in ("order_id", "created_at"):
        without = {**REFUND, field: None, "processed_at": None}
        assert refused("refunds/create", without) == f"/{field}"
    assert refused("app/uninstalled", {"id": 1}) == "/myshopify_domain"
    undated = {**PRODUCT, "created_at": None, "updated_at": None}
    assert refused("products/create", undated) == "/updated_at"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff", b'{"name":"\xff"}', b"[" * 200_000, b'{"a":' * 200_000, b"null", b"[]"],
)
def test_what_is_no_json_object_is_refused(raw: bytes):
    assert refused("orders/create", raw) == ""


def test_a_refusal_repeats_nothing_of_the_content():
    for secret in ('"jon@example.com"', '{"jon@example.com":1}'):
        for field in ("id", "created_at", "currency", "customer", "line_items"):
            raw = f'{{"id":1,"currency":"USD","{field}":{secret}}}'.encode()
            with pytest.raises(MalformedPayload) as refusal:
                translate("orders/create", raw)
            assert "jon" not in repr(refusal.value) + repr(refusal.value.problems)


_names = st.sampled_from(
    sorted({*json.loads(ORDER), *REFUND, *CUSTOMER, *PRODUCT, "shop_money", "amount", "price_set"})
)
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["1.00", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1e9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(TOPICS)), st.dictionaries(_names, _values, max_size=6))
@example("orders/create", {"email": "\ud800@example.com"})
@example("customers/create", {"first_name": "\ud800"})
def test_no_change_to_a_payload_breaks_the_edge(topic: str, changes: dict[str, Any]):
    _translated_or_refused(topic, json.dumps({**json.loads(SAMPLES[topic]), **changes}).encode())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(TOPICS)), st.binary(max_size=60), st.data())
def test_no_bytes_break_the_edge(topic: str, noise: bytes, data: st.DataObject):
    _translated_or_refused(topic, noise)
    sample = SAMPLES[topic]
    place = data.draw(st.integers(0, len(sample)))
    _translated_or_refused(topic, sample[:place] + noise + sample[place + len(noise) :])
    _translated_or_refused(topic, sample[:place])


def _translated_or_refused(topic: str, raw: bytes) -> None:
    """Nothing but MalformedPayload may come out, and an answer must be fit to be published."""
    try:
        body = WebhookTranslator(SEALER).translate(topic, raw, SHOP)
    except MalformedPayload:
        return
    assert msgspec.json.decode(msgspec.json.encode(body), type=type(body)) == body
