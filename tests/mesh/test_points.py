"""Points on real servers: orders in, balances out, whatever order they arrive in."""

from decimal import Decimal
from uuid import uuid4

import msgspec
import pytest

from contracts import points, shop
from contracts.caller import service_caller
from contracts.shop import Refund, member_id
from domain.errors import DuplicateRequest, InvalidRequest, NotFound
from domain.points.wallet import InsufficientPoints
from tests.conftest import Run, eventually
from tests.mesh.said import AT, mesh_of, order, register, say
from tests.mesh.wallets import balance_of


def refund(amount: str, refund_id: str = "r1") -> Refund:
    return Refund(refund_id=refund_id, order_id="o1", created_at=AT, merchandise=Decimal(amount))


async def test_an_order_earns_once_however_often_it_is_delivered(run: Run) -> None:
    merchant = uuid4()
    async with run("points") as process:
        for message_id in ("m1", "m2", "m2"):
            await say(
                process, shop.ORDER_CREATED, order(merchant), merchant, f"{merchant}{message_id}"
            )
        await say(process, shop.ORDER_PAID, order(merchant), merchant)
        await say(process, shop.ORDER_CREATED, order(merchant, order_id="o2"), merchant)
        found = await eventually(
            lambda: balance_of(process, merchant),
            lambda balance: balance.spendable == 200,
            ignore=[NotFound],
        )
        assert (found.lifetime, found.pending, found.spent, found.expired) == (200, 0, 0, 0)


async def test_a_refund_before_its_order_ends_the_same(run: Run) -> None:
    merchant = uuid4()
    async with run("points") as process:
        await say(process, shop.REFUND_CREATED, refund("33.33"), merchant)
        await say(process, shop.ORDER_CREATED, order(merchant), merchant)
        await eventually(
            lambda: balance_of(process, merchant),
            lambda balance: balance.spendable == 67,
            ignore=[NotFound],
        )
        await say(process, shop.REFUND_CREATED, refund("66.67", "r2"), merchant)
        await eventually(
            lambda: balance_of(process, merchant), lambda balance: balance.spendable == 0
        )


async def test_adjusting_is_idempotent_and_never_overspends(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    async with run("points") as process:
        assert process.world is not None
        mesh = process.world.mesh
        gift = points.Adjust(customer_id=member_id(merchant, "c1"), points=50, reason="sorry")
        first = await mesh.call(points.ADJUST, gift, staff, idempotency_key="k1")
        assert await mesh.call(points.ADJUST, gift, staff, idempotency_key="k1") == first
        assert first.balance.spendable == 50
        other = msgspec.structs.replace(gift, points=51)
        with pytest.raises(DuplicateRequest):
            await mesh.call(points.ADJUST, other, staff, idempotency_key="k1")
        debit = msgspec.structs.replace(gift, points=-51)
        with pytest.raises(InsufficientPoints):
            await mesh.call(points.ADJUST, debit, staff, idempotency_key="k2")
        with pytest.raises(InvalidRequest):
            await mesh.call(points.ADJUST, gift, staff)
        assert (await balance_of(process, merchant)).spendable == 50


async def test_a_gold_member_earns_half_as_much_again(run: Run) -> None:
    """From the order that makes them Gold to the next one, through rfm, campaign and core."""
    async with run("auth", "points", "rfm", "campaign", "core") as process:
        merchant = (await register(process)).merchant_id
        first = order(merchant, order_id="o1", subtotal=Decimal(500))
        await say(process, shop.ORDER_CREATED, first, merchant)

        async def earned_by_ten() -> int:
            thought_of = points.ExplainPurchase(
                shopify_customer_id="c1", lines=(points.ExplainLine(amount=Decimal(10)),)
            )
            caller = service_caller("test", merchant)
            return (await mesh_of(process).call(points.EXPLAIN_PURCHASE, thought_of, caller)).points

        await eventually(earned_by_ten, lambda found: found == 15)
        await say(process, shop.ORDER_CREATED, order(merchant, order_id="o2"), merchant)
        await eventually(
            lambda: balance_of(process, merchant), lambda balance: balance.spendable == 650
        )
