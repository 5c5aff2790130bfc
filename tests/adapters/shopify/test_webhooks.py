"""The translation of every topic: nothing personal in clear, and what is wrong is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.shopify.context import MerchantContext
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.webhooks import TOPICS, WebhookTranslator
from contracts.shop import CONTRACTS
from tests.adapters.shopify.samples import (
    CUSTOMER,
    MERCHANT,
    ORDER,
    PRODUCT,
    REFUND,
    SAMPLES,
    SEALER,
    SHOP,
    TRIGGERED,
    line,
    money,
    order,
    refused,
    translate,
)


def test_every_declared_topic_is_translated_to_its_event():
    assert {webhook.topic: webhook.event.body for webhook in CONTRACTS.webhooks} == {
        topic: type(translate(topic, SAMPLES[topic])) for topic in TOPICS
    }


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_without_a_key_nothing_personal_is_told(topic: str):
    shop = MerchantContext(MERCHANT, None, TRIGGERED)
    told = WebhookTranslator(SEALER).translate(topic, SAMPLES[topic], shop)
    assert b"sealed" not in msgspec.json.encode(told)
    assert b"email" not in msgspec.json.encode(told)


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


@settings(max_examples=400)
@given(st.sampled_from(sorted(TOPICS)), st.dictionaries(_names, _values, max_size=6))
@example("orders/create", {"email": "\ud800@example.com"})
@example("customers/create", {"first_name": "\ud800"})
def test_no_change_to_a_payload_breaks_the_edge(topic: str, changes: dict[str, Any]):
    _translated_or_refused(topic, json.dumps({**json.loads(SAMPLES[topic]), **changes}).encode())


@settings(max_examples=300)
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
