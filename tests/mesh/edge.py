"""Being the shop: signed webhooks and tokens against a running gateway."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
from websockets import Subprotocol, connect

from adapters.runtime.host import Process
from adapters.shopify.signatures import webhook_signature
from contracts.auth import (
    ISSUE_DEVELOPMENT_TOKEN,
    VALIDATE_MERCHANT,
    IssueDevelopmentToken,
    ValidateMerchant,
)
from contracts.caller import service_caller
from contracts.points import ADJUST, Adjust

SHOP = "demo-store.myshopify.com"


class Edge:
    """The gateway of ``process``, seen from outside."""

    def __init__(self, process: Process) -> None:
        assert process.world is not None
        self.world = process.world
        settings = process.world.settings
        self.secret = settings.shopify_client_secret.encode()
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.http_port}", timeout=60)

    async def deliver(
        self, topic: str, body: dict[str, Any] | bytes, **headers: str
    ) -> httpx.Response:
        """A webhook as Shopify sends it; ``headers`` replace those it would have."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": SHOP,
            "X-Shopify-Webhook-Id": str(uuid4()),
            "X-Shopify-Hmac-Sha256": webhook_signature(raw, self.secret),
            "Content-Type": "application/json",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(f"/webhooks/{topic}", content=raw, headers=sent)

    async def token(self, role: str = "owner", customer: str = "", shop: str = SHOP) -> str:
        request = IssueDevelopmentToken(shop_domain=shop, role=role, shopify_customer_id=customer)
        return (
            await self.world.mesh.call(ISSUE_DEVELOPMENT_TOKEN, request, service_caller("test"))
        ).token

    async def member(self) -> UUID:
        """Somebody of the demo shop who has a point."""
        found = await self.world.mesh.call(
            VALIDATE_MERCHANT, ValidateMerchant(shop_domain=SHOP), service_caller("test")
        )
        gift = Adjust(customer_id=uuid4(), points=1, reason="a start")
        caller = service_caller("test", found.merchant_id)
        await self.world.mesh.call(ADJUST, gift, caller, idempotency_key=str(uuid4()))
        return gift.customer_id

    async def get(self, path: str, token: str = "", **parameters: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.get(path, params=parameters, headers=headers)

    def stream(self, token: str, after: object = None) -> connect:
        """The live stream, from right now or from ``after`` an event."""
        address = str(self.http.base_url).replace("http", "ws") + "/api/points/stream"
        if after is not None:
            address += f"?after={after}"
        return connect(address, subprotocols=[Subprotocol("loyalnest"), Subprotocol(token)])


def shopify_order(order_id: int, customer_id: int | None = 7, **changes: Any) -> dict[str, Any]:
    """An order with the keys a real store sends, as far as they matter."""
    order: dict[str, Any] = {
        "id": order_id,
        "name": f"#{order_id}",
        "test": False,
        "source_name": "web",
        "created_at": "2026-11-10T08:09:03-05:00",
        "processed_at": "2026-11-10T08:09:02-05:00",
        "updated_at": "2026-11-10T08:09:05-05:00",
        "cancelled_at": None,
        "financial_status": "paid",
        "email": "somebody@example.com",
        "currency": "USD",
        "presentment_currency": "USD",
        "taxes_included": False,
        "subtotal_price": "100.00",
        "total_discounts": "0.00",
        "total_tax": "0.00",
        "total_price": "110.00",
        "discount_codes": [],
        "customer": None
        if customer_id is None
        else {"id": customer_id, "email": "somebody@example.com", "first_name": "Some"},
        "line_items": [
            {
                "id": order_id * 10,
                "product_id": 1,
                "quantity": 2,
                "price": "50.00",
                "gift_card": False,
                "discount_allocations": [],
            }
        ],
        "shipping_lines": [{"price": "10.00"}],
        "refunds": [],
    }
    return order | changes
