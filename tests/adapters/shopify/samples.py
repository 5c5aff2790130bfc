"""Webhook bodies as Shopify's documentation gives them, and a shop to translate them for."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from adapters.crypto.sealer import AesGcmSealer
from adapters.shopify.context import MerchantContext
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.webhooks import WebhookTranslator
from domain.errors import Kind
from tests.keys import new_key

MERCHANT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
SEALER = AesGcmSealer()
TRIGGERED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
KEY = new_key(MERCHANT)
SHOP = MerchantContext(MERCHANT, KEY, TRIGGERED)

ORDER = (
    b'{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508",'
    b'"name":"#1001","test":false,"source_name":"web","location_id":null,"user_id":null,'
    b'"created_at":"2026-11-20T08:09:03-05:00","processed_at":"2026-11-20T08:09:02-05:00",'
    b'"updated_at":"2026-11-20T08:09:05-05:00","cancelled_at":null,"cancel_reason":null,'
    b'"financial_status":"paid","email":"jon@example.com","currency":"USD",'
    b'"presentment_currency":"USD","taxes_included":false,"total_line_items_price":"398.00",'
    b'"total_discounts":"5.00","subtotal_price":"393.00","current_subtotal_price":"393.00",'
    b'"total_tax":"0.00","total_price":"403.00","current_total_price":"403.00",'
    b'"current_subtotal_price_set":{"shop_money":{"amount":"393.00","currency_code":"USD"},'
    b'"presentment_money":{"amount":"393.00","currency_code":"USD"}},'
    b'"discount_codes":[{"code":"LOY-8F3K2","amount":"5.00","type":"fixed_amount"}],'
    b'"customer":{"id":115310627314723954,"email":"jon@example.com","verified_email":true},'
    b'"line_items":[{"id":866550311766439020,"product_id":632910392,"variant_id":808950810,'
    b'"sku":"A1","quantity":2,"current_quantity":2,"price":"199.00","gift_card":false,'
    b'"discount_allocations":[{"amount":"5.00","discount_application_index":0}]}],'
    b'"shipping_lines":[{"price":"10.00"}],"refunds":[]}'
)

REFUND: dict[str, Any] = {
    "id": 509562969,
    "order_id": 820982911946154508,
    "created_at": "2026-11-21T08:09:03-05:00",
    "processed_at": "2026-11-21T08:09:03-05:00",
    "note": "too small",
    "user_id": 548380009,
    "restock": True,
    "admin_graphql_api_id": "gid://shopify/Refund/509562969",
    "refund_line_items": [
        {
            "id": 104689539,
            "quantity": 1,
            "line_item_id": 866550311766439020,
            "restock_type": "return",
            "subtotal": 196.49999999999997,
            "total_tax": 0.0,
            "subtotal_set": {
                "shop_money": {"amount": "196.50", "currency_code": "USD"},
                "presentment_money": {"amount": "180.03", "currency_code": "EUR"},
            },
            "line_item": {"id": 866550311766439020, "gift_card": False},
        }
    ],
    "transactions": [{"kind": "refund", "status": "success", "amount": "180.03"}],
    "order_adjustments": [],
    "duties": [],
}

CUSTOMER: dict[str, Any] = {
    "id": 115310627314723954,
    "created_at": "2026-11-01T10:00:00-05:00",
    "updated_at": "2026-11-02T10:00:00-05:00",
    "email": "Jon.Snow@Example.com",
    "phone": "+15556251199",
    "first_name": "Jon",
    "last_name": "Snow-Stark",
    "verified_email": True,
    "default_address": {"address1": "1 Castle Black Road", "phone": "+15550001111"},
}

PRODUCT: dict[str, Any] = {
    "id": 632910392,
    "title": "Mug",
    "handle": "mug",
    "vendor": "Clay & Co",
    "product_type": "Kitchen",
    "tags": "blue, gift ,, kitchen",
    "status": "active",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-02-01T00:00:00Z",
    "variants": [{"id": 1, "price": "19.90"}, {"id": 2, "price": "14.50"}],
    "image": None,
    "images": [{"src": "https://cdn.example.com/mug.png"}],
}

COLLECTION: dict[str, Any] = {
    "id": 408372092144951419,
    "handle": "winter",
    "title": "Winter",
    "updated_at": "2026-11-21T09:00:00-05:00",
    "body_html": None,
    "published_at": "2026-11-01T09:00:00-05:00",
    "sort_order": "best-selling",
    "template_suffix": None,
    "published_scope": "web",
    "admin_graphql_api_id": "gid://shopify/Collection/408372092144951419",
}

PRIVACY: dict[str, dict[str, Any]] = {
    "customers/data_request": {
        "shop_id": 954889,
        "shop_domain": "demo-store.myshopify.com",
        "orders_requested": [299938],
        "customer": {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"},
        "data_request": {"id": 9999},
    },
    "customers/redact": {
        "shop_id": 954889,
        "shop_domain": "demo-store.myshopify.com",
        "customer": {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"},
        "orders_to_redact": [299938],
    },
    "shop/redact": {"shop_id": 954889, "shop_domain": "demo-store.myshopify.com"},
}

MERGE: dict[str, Any] = {
    "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/1",
    "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/2",
    "admin_graphql_api_job_id": None,
    "status": "failed",
    "errors": [
        {
            "customer_ids": [1],
            "field": "merge_in_progress",
            "message": "John Doe is currently being merged.",
        }
    ],
}
"""As Shopify documents it; of a merge that came about ``status`` is ``completed``."""

SAMPLES: dict[str, bytes] = {
    **dict.fromkeys(
        ("orders/create", "orders/paid", "orders/fulfilled", "orders/updated", "orders/cancelled"),
        ORDER,
    ),
    "refunds/create": json.dumps(REFUND).encode(),
    "customers/create": json.dumps(CUSTOMER).encode(),
    "customers/update": json.dumps(CUSTOMER).encode(),
    "products/create": json.dumps(PRODUCT).encode(),
    "products/update": json.dumps(PRODUCT).encode(),
    "customers/delete": json.dumps(
        {
            "id": 706405506930370084,
            "tax_exemptions": [],
            "admin_graphql_api_id": "gid://shopify/Customer/706405506930370084",
        }
    ).encode(),
    "customers/merge": json.dumps(MERGE).encode(),
    "products/delete": b'{"id":632910392}',
    "collections/update": json.dumps(COLLECTION).encode(),
    "collections/delete": b'{"id":408372092144951419,"published_scope":"web"}',
    "pos/offline_sync": b'{"till_id":"t1","sent_at":"2026-06-01T18:00:00Z","lines":['
    b'{"line_id":"1","kind":"sale","happened_at":"2026-06-01T09:12:00+02:00",'
    b'"receipt":"1-1001","checkout_token":"c0ffee","shopify_customer_id":"706405506930370084",'
    b'"merchandise":"50.00"}]}',
    "app/scopes_update": b'{"id":1,"shop_id":954889,"previous":["read_orders"],'
    b'"current":["write_customers","read_orders"],"updated_at":"2026-11-21T04:00:00-05:00"}',
    "app/uninstalled": b'{"id":954889,"myshopify_domain":"demo-store.myshopify.com"}',
    **{topic: json.dumps(payload).encode() for topic, payload in PRIVACY.items()},
}


def translate(topic: str, payload: dict[str, Any] | bytes) -> Any:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return WebhookTranslator(SEALER).translate(topic, raw, SHOP)


def order(**changes: Any) -> Any:
    """The sample order with some fields changed, translated."""
    return translate("orders/create", {**json.loads(ORDER), **changes})


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
