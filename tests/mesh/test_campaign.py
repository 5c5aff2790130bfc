"""VIP tiers on real servers: what members buy moves them, and so does another ladder."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

from adapters.runtime.host import Process
from contracts import campaign, core, shop
from contracts.caller import service_caller
from contracts.shop import Refund, member_id
from domain.program import defaults
from domain.tiers import Tier, TierLadder, TierMetric
from tests.conftest import Run, eventually
from tests.mesh.said import AT, heard, mesh_of, order, say


async def tier_of(process: Process, merchant: UUID, customer: str = "c1") -> campaign.VipTier:
    return await mesh_of(process).call(
        campaign.GET_VIP_TIER,
        campaign.GetVIPTier(customer_id=member_id(merchant, customer)),
        service_caller("test", merchant),
    )


async def tiers(process: Process, merchant: UUID) -> list[tuple[str, int]]:
    found = await mesh_of(process).call(
        campaign.LIST_TIERS, campaign.ListTiers(), service_caller("test", merchant)
    )
    return [(each.name, each.members) for each in found.tiers]


async def count(said: list[campaign.TierAssigned]) -> int:
    return len(said)


async def test_spend_moves_a_member_up_and_a_refund_down(run: Run) -> None:
    merchant = uuid4()
    async with run("rfm", "campaign") as process:
        said = await heard(process, campaign.TIER_ASSIGNED, merchant)
        nobody = await tier_of(process, merchant)
        assert (nobody.tier, nobody.qualifying, nobody.next_tier) == ("", Decimal(0), "Silver")
        assert nobody.to_next == 100

        first = order(merchant)
        for event in (shop.ORDER_CREATED, shop.ORDER_PAID, shop.ORDER_UPDATED):
            await say(process, event, first, merchant)
        silver = await eventually(lambda: tier_of(process, merchant), lambda it: it.tier != "")
        assert (silver.tier, silver.next_tier, silver.to_next) == ("Silver", "Gold", Decimal(400))

        second = order(merchant, order_id="o2", subtotal=Decimal(450))
        await say(process, shop.ORDER_CREATED, second, merchant)
        gold = await eventually(lambda: tier_of(process, merchant), lambda it: it.tier == "Gold")
        assert (gold.qualifying, gold.next_tier, gold.to_next) == (Decimal(550), "", None)
        assert await tiers(process, merchant) == [("Silver", 0), ("Gold", 1)]
        assert await tiers(process, uuid4()) == [("Silver", 0), ("Gold", 0)]
        assert (await tier_of(process, uuid4())).tier == ""

        back = Refund(refund_id="r1", order_id="o2", created_at=AT, merchandise=Decimal(450))
        await say(process, shop.REFUND_CREATED, back, merchant)
        await say(process, shop.REFUND_CREATED, back, merchant)
        await eventually(lambda: tier_of(process, merchant), lambda it: it.tier == "Silver")
        assert await tiers(process, merchant) == [("Silver", 1), ("Gold", 0)]
        await eventually(lambda: count(said), lambda it: it == 3)
        assert [(each.previous, each.tier, each.version) for each in said] == [
            ("", "Silver", 1),
            ("Silver", "Gold", 2),
            ("Gold", "Silver", 3),
        ]


async def test_any_order_of_arrival_ends_the_same(run: Run) -> None:
    async with run("rfm", "campaign") as process:
        for seed in range(4):
            merchant = uuid4()
            later = AT + timedelta(hours=1)
            back = Refund(refund_id="r1", order_id="o1", created_at=AT, merchandise=Decimal(30))
            deliveries = [
                (shop.ORDER_CREATED, order(merchant)),
                (shop.REFUND_CREATED, back),
                (shop.ORDER_UPDATED, order(merchant, updated_at=later, refunds=(back,))),
                (shop.ORDER_CREATED, order(merchant, order_id="o2", subtotal=Decimal(40))),
                (
                    shop.ORDER_CANCELLED,
                    order(merchant, order_id="o3", cancelled_at=AT, updated_at=later),
                ),
                (shop.ORDER_CREATED, order(merchant, order_id="o3")),
                (shop.ORDER_CREATED, order(merchant, order_id="o4", test=True)),
            ]
            random.Random(seed).shuffle(deliveries)
            for event, body in deliveries:
                await say(process, event, body, merchant)
            await eventually(
                partial(tier_of, process, merchant),
                lambda it: (it.qualifying, it.tier) == (Decimal(110), "Silver"),
            )
            await eventually(
                partial(tiers, process, merchant),
                lambda it: it == [("Silver", 1), ("Gold", 0)],
            )


async def test_another_ladder_moves_everybody(run: Run) -> None:
    merchant = uuid4()
    async with run("rfm", "campaign") as process:
        said = await heard(process, campaign.TIER_ASSIGNED, merchant)
        for number in range(3):
            told = order(merchant, f"c{number}", order_id=f"o{number}")
            await say(process, shop.ORDER_CREATED, told, merchant)
        await eventually(
            lambda: tiers(process, merchant), lambda it: it == [("Silver", 3), ("Gold", 0)]
        )
        ladder = TierLadder(TierMetric.ORDERS, (Tier("Friend", Decimal(1)),))
        program = replace(defaults("USD"), version=2, tiers=ladder)
        await say(process, core.SETTINGS_UPDATED, core.SettingsUpdated(settings=program), merchant)
        await eventually(lambda: tiers(process, merchant), lambda it: it == [("Friend", 3)])
        await eventually(lambda: count(said), lambda it: it == 6)
        assert (await tier_of(process, merchant, "c2")).qualifying == 1
