"""Activities on real servers: two at once never pass a limit, and one reference counts once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

from adapters.runtime.host import Process
from contracts import activities, core, points, shop, users
from contracts.activities import ActivityEarned, EarnPoints
from contracts.caller import service_caller
from contracts.shop import member_id
from domain.errors import LimitReached, LoyaltyError, NotFound
from domain.points.activities import ActivityRule, ReferenceUsed
from domain.points.earning_limits import EarningLimit, Every
from domain.program import PurchaseRule, defaults
from tests.conftest import Run, eventually
from tests.mesh.said import AT, mesh_of, order, say, times_said
from tests.mesh.wallets import spendable

TWICE = EarningLimit(Every.DAYS, times=2, days=30)
PROGRAM = replace(
    defaults("USD"),
    version=2,
    activities=(ActivityRule("review", "Review", 100, limits=(TWICE,)),),
    purchase=PurchaseRule(limits=(EarningLimit(Every.DAY, points=150),)),
)


async def open_shop(process: Process, *customers: str) -> UUID:
    """A shop with this program, and these members in it."""
    merchant = uuid4()
    await say(process, core.SETTINGS_UPDATED, core.SettingsUpdated(settings=PROGRAM), merchant)
    for name in customers:
        known = core.CustomerChanged(
            customer_id=member_id(merchant, name), version=1, occurred_at=AT
        )
        await say(process, core.CUSTOMER_CREATED, known, merchant)

    async def open_to(name: str) -> ActivityEarned:
        with_limit = points.ExplainPurchase(
            shopify_customer_id=name, lines=(points.ExplainLine(amount=Decimal(1)),)
        )
        caller = service_caller("test", merchant)
        found = await mesh_of(process).call(points.EXPLAIN_PURCHASE, with_limit, caller)
        assert found.settings_version == 2, "the program is not known yet"
        return await earn(process, merchant, "first of all", name)

    for name in customers:
        await eventually(partial(open_to, name), ignore=[NotFound, AssertionError])
    return merchant


async def earn(
    process: Process, merchant: UUID, reference: str, customer: str = "c1"
) -> ActivityEarned:
    asked = EarnPoints(
        shopify_customer_id=customer, activity="review", reference=f"{customer} {reference}"
    )
    caller = service_caller("test", merchant)
    return await mesh_of(process).call(activities.EARN, asked, caller, idempotency_key=str(uuid4()))


async def test_many_at_once_never_pass_a_limit(run: Run) -> None:
    async with run("points") as process:
        merchant = await open_shop(process, "c1")
        found = await asyncio.gather(
            *(earn(process, merchant, f"review {number}") for number in range(12)),
            return_exceptions=True,
        )
        assert sum(isinstance(each, ActivityEarned) for each in found) == 1
        assert sum(isinstance(each, LimitReached) for each in found) == 11
        assert await spendable(process, merchant) == 200


async def test_one_reference_at_once_counts_once(run: Run) -> None:
    """Told twelve times for one member, and at the same moment for another one."""
    async with run("points") as process:
        merchant = await open_shop(process, "c1", "c2")
        asked = [
            EarnPoints(shopify_customer_id=name, activity="review", reference="the same")
            for name in ("c1",) * 6 + ("c2",) * 6
        ]
        caller = service_caller("test", merchant)
        found = await asyncio.gather(
            *(
                mesh_of(process).call(activities.EARN, each, caller, idempotency_key=str(uuid4()))
                for each in asked
            ),
            return_exceptions=True,
        )
        told = [each for each in found if isinstance(each, ActivityEarned)]
        assert len(told) == 6
        assert [each.repeated for each in told].count(False) == 1
        assert {type(each) for each in found if isinstance(each, LoyaltyError)} == {ReferenceUsed}
        both = [await spendable(process, merchant, name) for name in ("c1", "c2")]
        assert sorted(both) == [100, 200]


async def test_orders_of_many_batches_at_once_never_pass_a_limit(run: Run) -> None:
    async with run("points") as one, run("points") as other:
        merchant = await open_shop(one, "c1")
        sold = [
            order(merchant, order_id=f"o{number}", subtotal=Decimal(40)) for number in range(20)
        ]
        await asyncio.gather(
            *(
                say(process, shop.ORDER_CREATED, each, merchant)
                for each, process in zip(sold, [one, other] * 10, strict=True)
            )
        )
        last = order(merchant, "c2", order_id="last", created_at=datetime(2026, 5, 2, tzinfo=UTC))
        await say(one, shop.ORDER_CREATED, last, merchant)
        await eventually(
            lambda: spendable(one, merchant), lambda found: found == 250, ignore=[NotFound]
        )
        await eventually(
            lambda: spendable(one, merchant, "c2"), lambda found: found == 100, ignore=[NotFound]
        )
        assert await spendable(one, merchant) == 250
        # 40 + 40 + 40 + 30: nothing was said of orders that the limit left nothing to.
        assert await times_said(one, points.EARNED, merchant) == 1 + 4 + 1
        asked = points.ExplainPurchase(
            shopify_customer_id="c1", placed_at=AT, lines=(points.ExplainLine(amount=Decimal(9)),)
        )
        found = await mesh_of(one).call(
            points.EXPLAIN_PURCHASE, asked, service_caller("test", merchant)
        )
        assert (found.points, found.why_not) == (0, "limit_reached")
        assert found.limit is not None
        assert (found.limit.every, found.limit.left) == ("day", 0)
        assert found.limit.ends_at == datetime(2026, 5, 2, tzinfo=UTC)


async def test_a_merged_member_takes_their_limits_along(run: Run) -> None:
    async with run("points") as process:
        merchant = await open_shop(process, "c1", "c2")
        merged = users.CustomerMerged(
            kept_id=member_id(merchant, "c2"), merged_id=member_id(merchant, "c1"), version=1,
            occurred_at=AT,
        )  # fmt: skip
        await say(process, users.CUSTOMER_MERGED, merged, merchant)
        await eventually(lambda: spendable(process, merchant, "c2"), lambda found: found == 200)
        for name in ("c1", "c2"):  # each had one of two; one person has had both
            try:
                await earn(process, merchant, "another", name)
            except LimitReached:
                continue
            raise AssertionError("the limit was passed")
        assert (await earn(process, merchant, "first of all", "c1")).repeated
