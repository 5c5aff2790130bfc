"""What tests of the keys of shops do with them, and see of them, on real servers."""

from typing import Any
from uuid import UUID, uuid4

import httpx

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from contracts import auth, keys
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import member_id
from tests.mesh.edge import Edge
from tests.mesh.people import Shop
from tests.mesh.said import mesh_of, world_of

ADMIN = Caller(audience=Audience.ADMIN, actor=str(uuid4()), permissions=("admin:full",))
TEST = service_caller("test")


async def rotate(process: Process, merchant_id: UUID, key: str = "") -> keys.RotatedKey:
    return await mesh_of(process).call(
        keys.ROTATE_MERCHANT_KEY,
        keys.RotateMerchantKey(merchant_id=merchant_id),
        ADMIN,
        idempotency_key=key or str(uuid4()),
    )


async def progress(process: Process, shop_domain: str = "") -> keys.KeyProgress:
    request = keys.GetKeyProgress(shop_domain=shop_domain)
    return await mesh_of(process).call(keys.GET_KEY_PROGRESS, request, ADMIN)


async def merchant_of(process: Process, merchant_id: UUID) -> auth.Merchant:
    request = auth.ValidateMerchant(merchant_id=merchant_id)
    return await mesh_of(process).call(auth.VALIDATE_MERCHANT, request, TEST)


async def rows(process: Process, service: str, query: str, **values: object) -> list[Any]:
    async with world_of(process).database(service).transaction(ACROSS_SHOPS) as connection:
        return list(await connection.execute(text(query), values))


def all_resealed(found: keys.KeyProgress) -> bool:
    """Nothing is left under any retired key."""
    retired = [key for key in found.keys if key.state == "retired"]
    assert retired
    return all(left.rows == 0 for key in retired for left in key.rows_left)


class AtTheEdge:
    """A shop that talks to the gateway."""

    def __init__(self, process: Process, merchant: auth.Merchant) -> None:
        self.edge = Edge(process)
        self.merchant = merchant

    async def tells(self, topic: str, body: dict[str, Any]) -> httpx.Response:
        return await self.edge.deliver(topic, body, X_Shopify_Shop_Domain=self.merchant.shop_domain)

    async def tells_of(self, customer: int, second: int = 0) -> httpx.Response:
        at = f"2026-11-10T08:{second // 60:02}:{second % 60:02}Z"
        return await self.tells(
            "customers/update",
            {
                "id": customer,
                "email": f"{customer}@x.example",
                "first_name": "Ada",
                "created_at": "2026-11-01T00:00:00Z",
                "updated_at": at,
            },
        )


async def row_of(one: Shop, customer: str) -> list[Any]:
    query = "SELECT * FROM users WHERE merchant_id = :m AND user_id = :u"
    return await rows(one.process, "users", query, m=one.id, u=member_id(one.id, customer))
