"""Customers, goods, the app and compliance requests as Shopify tells of them."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from contracts.contact import Contact
from contracts.shop import member_id
from ports.sealing import CONTACT, PRIVACY_REQUEST
from tests.adapters.shopify.samples import (
    COLLECTION,
    CUSTOMER,
    KEY,
    MERCHANT,
    MERGE,
    PRIVACY,
    PRODUCT,
    SAMPLES,
    SEALER,
    TRIGGERED,
    order,
    refused,
    translate,
)


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
