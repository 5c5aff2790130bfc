"""A bonus on a collection: what is in it is asked of Shopify, told to points, and earns."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from adapters.shopify.admin import client as clients
from contracts import core, points
from contracts.caller import Caller, service_caller
from domain.errors import NotFound
from domain.points.bonus import Bonus, Goods
from infra.demo_shop.admin.api.records import Collection
from infra.demo_shop.admin.api.shop import Shop
from services.products import collecting, wiring
from tests.conftest import Run, eventually
from tests.mesh.edge import shopify_order
from tests.mesh.said import mesh_of
from tests.mesh.shopify import Shopify, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("api_gateway", "auth", "roles", "core", "points", "products")
BOOTS, SOCKS = 71, 72


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "WORK_SECONDS", 0.05)
        patch.setattr(collecting, "SETTLES", timedelta(milliseconds=50))
        patch.setattr(collecting, "_FIRST_PAUSE", timedelta(milliseconds=50))
        patch.setattr(clients, "_FIRST_PAUSE", 0.01)
        async with shopify(run, environment, *SERVICES) as one:
            yield one


def of(merchant_id: UUID) -> Caller:
    return service_caller("test", merchant_id)


async def ask(at: Shopify, operation: Any, request: Any, merchant_id: UUID) -> Any:
    return await mesh_of(at.process).call(operation, request, of(merchant_id))


async def with_winter(at: Shopify, *products: int) -> tuple[str, UUID, Shop, Collection]:
    """A shop whose winter collection earns double."""
    name = new_shop()
    there = at.admin.shops[name]
    there.add_customer(1)
    for number in (BOOTS, SOCKS):
        there.hear("products/create", product(number))
    winter = there.add_collection("Winter", products)
    merchant_id = (await at.install(name)).merchant_id
    await run_on(at, merchant_id, winter)
    return name, merchant_id, there, winter


async def run_on(at: Shopify, merchant_id: UUID, *collections: Collection) -> None:
    """The program as installed, with a bonus on these collections."""
    found = await eventually(
        lambda: ask(at, core.GET_SETTINGS, core.GetSettings(), merchant_id), ignore=[NotFound]
    )
    goods = Goods(collections=tuple(str(each.number) for each in collections))
    bonuses = (Bonus("winter", Decimal(2), goods),) if collections else ()
    program = replace(found.settings, bonuses=bonuses, earns_from="")
    await ask(at, core.UPDATE_SETTINGS, core.UpdateSettings(settings=program), merchant_id)


def product(number: int, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "id": number, "title": f"Product {number}", "handle": str(number), "status": "active",
        "created_at": now, "updated_at": now, "variants": [], "tags": "",
    } | changes  # fmt: skip


async def worth(at: Shopify, merchant_id: UUID, number: int = BOOTS) -> int:
    """What 10 spent on a product would earn."""
    request = points.ExplainPurchase(
        lines=(points.ExplainLine(product_id=str(number), amount=Decimal(10)),)
    )
    return int((await ask(at, points.EXPLAIN_PURCHASE, request, merchant_id)).points)


async def becomes(at: Shopify, merchant_id: UUID, expected: int, number: int = BOOTS) -> None:
    await eventually(
        lambda: worth(at, merchant_id, number), lambda found: found == expected, seconds=20
    )


async def balance(at: Shopify, merchant_id: UUID) -> int:
    request = points.BalanceOf(shopify_customer_id="1")
    return int((await ask(at, points.GET_BALANCE, request, merchant_id)).spendable)


def sold(number: int, product_id: int, **changes: Any) -> dict[str, Any]:
    placed = shopify_order(number, 1, subtotal_price="10.00")
    line = {"id": 1, "product_id": product_id, "quantity": 1, "price": "10.00"}
    return placed | {"line_items": [line]} | changes


async def test_what_is_in_the_collection_earns_double_and_keeps_what_it_earned(
    at: Shopify,
) -> None:
    name, merchant_id, _, winter = await with_winter(at, SOCKS)
    await becomes(at, merchant_id, 20, SOCKS)
    assert await worth(at, merchant_id) == 10

    # Put into the collection: a webhook says that the product has changed, and not how.
    winter.products.append(str(BOOTS))
    assert await at.deliver(name, "products/update", product(BOOTS)) == 200
    await becomes(at, merchant_id, 20)
    assert await at.deliver(name, "orders/create", sold(1, BOOTS)) == 200
    await eventually(lambda: balance(at, merchant_id), lambda found: found == 20, ignore=[NotFound])

    # Out of it again: what was earned stays, also when the order changes.
    winter.products.remove(str(BOOTS))
    assert await at.deliver(name, "products/update", product(BOOTS, title="New")) == 200
    await becomes(at, merchant_id, 10)
    later = datetime.now(UTC) + timedelta(seconds=5)
    again = sold(1, BOOTS, updated_at=later.isoformat(), financial_status="paid")
    assert await at.deliver(name, "orders/paid", again) == 200
    assert await at.deliver(name, "orders/create", sold(2, BOOTS)) == 200
    await eventually(lambda: balance(at, merchant_id), lambda found: found == 30)
