"""Core on real servers: versions of settings, profiles from what others say, usage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.runtime.host import Process
from contracts import auth, campaign, core, rfm, shop, users
from contracts.caller import service_caller
from contracts.shop import member_id
from domain.errors import InvalidRequest, NotFound
from domain.plans import Plan
from domain.program import ProgramSettings, PurchaseRule
from domain.tiers import TierLadder, TierMetric
from tests.conftest import Run, eventually
from tests.mesh.said import heard, mesh_of, order, say

NOW = datetime.now(UTC)


async def settings_of(process: Process, merchant: UUID, version: int = 0) -> core.Settings:
    return await mesh_of(process).call(
        core.GET_SETTINGS, core.GetSettings(version=version), service_caller("test", merchant)
    )


async def save(process: Process, merchant: UUID, settings: ProgramSettings) -> core.Settings:
    return await mesh_of(process).call(
        core.UPDATE_SETTINGS,
        core.UpdateSettings(settings=settings),
        service_caller("test", merchant),
    )


async def member_of(process: Process, merchant: UUID, customer: str = "c1") -> core.Member:
    return await mesh_of(process).call(
        core.GET_CUSTOMER_RFM,
        core.GetCustomerRFM(customer_id=member_id(merchant, customer)),
        service_caller("test", merchant),
    )


async def members(process: Process, merchant: UUID, **request: Any) -> core.Members:
    return await mesh_of(process).call(
        core.LIST_MEMBERS, core.ListMembers(**request), service_caller("test", merchant)
    )


async def usage_of(process: Process, merchant: UUID) -> core.Usage:
    return await mesh_of(process).call(
        core.GET_USAGE, core.GetUsage(), service_caller("test", merchant)
    )


async def count(said: list[Any]) -> int:
    return len(said)


def user(merchant: UUID, customer: str = "c1", kind: str = "customer") -> users.UserChanged:
    return users.UserChanged(
        user_id=member_id(merchant, customer),
        kind=kind,
        shopify_customer_id=customer,
        occurred_at=NOW,
    )


def scored(merchant: UUID, customer: str = "c1", **changes: Any) -> rfm.RfmUpdated:
    told: dict[str, Any] = {
        "customer_id": member_id(merchant, customer),
        "shopify_customer_id": customer,
        "recency": 5,
        "frequency": 1,
        "monetary": 2,
        "segment": "new",
        "orders": 1,
        "spent": Decimal("99.90"),
        "last_order_at": NOW,
        "version": 1,
        "occurred_at": NOW,
    }
    return rfm.RfmUpdated(**(told | changes))


def assigned(merchant: UUID, tier: str, version: int, customer: str = "c1") -> Any:
    return campaign.TierAssigned(
        customer_id=member_id(merchant, customer), tier=tier, version=version, occurred_at=NOW
    )


async def test_settings_begin_with_the_shop_and_keep_every_version(run: Run) -> None:
    merchant = uuid4()
    async with run("core") as process:
        said = await heard(process, core.SETTINGS_UPDATED, merchant)
        with pytest.raises(NotFound):
            await settings_of(process, merchant)
        arrival = auth.MerchantCreated(
            shop_domain="s.myshopify.com",
            currency="EUR",
            time_zone="Europe/Berlin",
            installed_at=NOW,
        )
        await say(process, auth.MERCHANT_CREATED, arrival, merchant)
        await say(process, auth.MERCHANT_CREATED, arrival, merchant)
        first = await eventually(lambda: settings_of(process, merchant), ignore=[NotFound])
        begun = first.settings
        assert (begun.version, begun.currency, begun.time_zone) == (1, "EUR", "Europe/Berlin")

        wanted = replace(begun, purchase=PurchaseRule(points_per_unit=Decimal(2)))
        saved = await save(process, merchant, wanted)
        assert saved.settings == replace(wanted, version=2)
        assert saved.updated_by == "service:test"
        assert await save(process, merchant, wanted) == saved  # a repeat is no new version
        assert await save(process, merchant, saved.settings) == saved  # nor is no change
        with pytest.raises(core.SettingsConflict):
            await save(process, merchant, begun)
        assert await settings_of(process, merchant) == saved
        assert (await settings_of(process, merchant, 1)).settings == begun
        with pytest.raises(NotFound):
            await settings_of(process, merchant, 3)
        await eventually(lambda: count(said), lambda it: it == 2)
        assert [each.settings for each in said] == [begun, saved.settings]

        stranger = uuid4()
        with pytest.raises(NotFound):
            await settings_of(process, stranger)
        with pytest.raises(NotFound):
            await save(process, stranger, begun)


async def test_every_problem_of_the_settings_is_reported(run: Run) -> None:
    merchant = uuid4()
    async with run("core") as process:
        arrival = auth.MerchantCreated(
            shop_domain="s.myshopify.com", currency="USD", time_zone="UTC", installed_at=NOW
        )
        await say(process, auth.MERCHANT_CREATED, arrival, merchant)
        first = await eventually(lambda: settings_of(process, merchant), ignore=[NotFound])
        bad = replace(
            first.settings,
            time_zone="Mars/Olympus",
            pending_days=-1,
            currency="EUR",
            plan=Plan.ENTERPRISE,
            tiers=TierLadder(TierMetric.POINTS, ()),
        )
        with pytest.raises(InvalidRequest) as refused:
            await save(process, merchant, bad)
        assert {each.pointer for each in refused.value.problems} == {
            "/time_zone",
            "/pending_days",
            "/currency",
            "/plan",
            "/tiers/metric",
        }
        assert await settings_of(process, merchant) == first


async def test_a_profile_is_made_of_what_others_say_in_any_order(run: Run) -> None:
    merchant = uuid4()
    async with run("core") as process:
        created = await heard(process, core.CUSTOMER_CREATED, merchant)
        updated = await heard(process, core.CUSTOMER_UPDATED, merchant)
        await say(process, campaign.TIER_ASSIGNED, assigned(merchant, "Silver", 2), merchant)
        found = await eventually(
            lambda: member_of(process, merchant), lambda it: it.tier == "Silver", ignore=[NotFound]
        )
        assert (found.orders, found.segment, found.shopify_customer_id) == (0, "", "")
        second = scored(merchant, version=2, segment="loyal", orders=7)
        await say(process, rfm.RFM_UPDATED, second, merchant)
        await say(process, rfm.RFM_UPDATED, scored(merchant), merchant)
        await say(process, campaign.TIER_ASSIGNED, assigned(merchant, "", 1), merchant)
        await say(process, users.USER_CREATED, user(merchant), merchant)
        await say(process, users.USER_CREATED, user(merchant, "s1", kind="staff"), merchant)
        richer = scored(merchant, version=3, segment="loyal", orders=8, last_order_at=None)
        await say(process, rfm.RFM_UPDATED, richer, merchant)
        found = await eventually(lambda: member_of(process, merchant), lambda it: it.orders == 8)
        assert (found.tier, found.segment, found.spent) == ("Silver", "loyal", Decimal("99.90"))
        assert found.shopify_customer_id == "c1"
        await eventually(lambda: count(updated), lambda it: it == 1)
        assert [(each.tier, each.segment) for each in created] == [("Silver", "")]
        assert [(each.tier, each.segment, each.version) for each in updated] == [
            ("Silver", "loyal", 2)
        ]
        assert (await usage_of(process, merchant)).members == 1
        with pytest.raises(NotFound):
            await member_of(process, merchant, "s1")
        with pytest.raises(NotFound):
            await mesh_of(process).call(
                core.GET_CUSTOMER_RFM,
                core.GetCustomerRFM(customer_id=found.customer_id),
                service_caller("test", uuid4()),
            )


async def test_the_list_of_members_is_paged_newest_order_first(run: Run) -> None:
    merchant = uuid4()
    async with run("core") as process:
        for number in range(4):
            at = NOW - timedelta(days=number)
            segment = "new" if number % 2 else "loyal"
            told = scored(merchant, f"c{number}", last_order_at=at, segment=segment)
            await say(process, rfm.RFM_UPDATED, told, merchant)
        for customer in ("u1", "u2", "u3"):
            await say(process, users.USER_CREATED, user(merchant, customer), merchant)
        await say(process, campaign.TIER_ASSIGNED, assigned(merchant, "Gold", 1, "c2"), merchant)

        async def walk() -> list[str]:
            seen, cursor = [], None
            while True:
                page = await members(process, merchant, cursor=cursor, limit=2)
                seen += [each.shopify_customer_id for each in page.members]
                cursor = page.next_cursor
                if cursor is None:
                    return seen

        seen = await eventually(walk, lambda it: len(it) == 7)
        assert seen[:4] == ["c0", "c1", "c2", "c3"]
        assert set(seen[4:]) == {"u1", "u2", "u3"}

        async def named(**request: str) -> list[str]:
            page = await members(process, merchant, **request)
            return [each.shopify_customer_id for each in page.members]

        assert await named(segment="loyal") == ["c0", "c2"]
        await eventually(lambda: named(tier="Gold"), lambda it: it == ["c2"])
        assert await named(segment="new", tier="Gold") == []
        assert (await members(process, uuid4())).members == ()
        with pytest.raises(InvalidRequest) as refused:
            await members(process, merchant, cursor="?", limit=251, segment="whales")
        assert {each.pointer for each in refused.value.problems} == {
            "/cursor",
            "/limit",
            "/segment",
        }


async def test_usage_counts_an_order_once_and_warns_once(run: Run) -> None:
    merchant = uuid4()
    async with run("core") as process:
        said = await heard(process, core.PLAN_LIMIT_WARNING, merchant)

        async def sell(numbers: range, **changes: object) -> None:
            for number in numbers:
                told = order(merchant, order_id=f"o{number}", created_at=NOW)
                told = msgspec.structs.replace(told, **changes)
                for event in (shop.ORDER_CREATED, shop.ORDER_PAID):
                    await say(process, event, told, merchant)

        await sell(range(239))
        await sell(range(500, 510), test=True)
        await eventually(lambda: usage_of(process, merchant), lambda it: it.orders == 239)
        assert said == []
        await sell(range(230, 300), customer=None)
        found = await eventually(lambda: usage_of(process, merchant), lambda it: it.orders == 300)
        assert (found.plan, found.limit, found.month) == ("free", 300, f"{NOW:%Y-%m}")
        await sell(range(295, 305))
        await eventually(lambda: usage_of(process, merchant), lambda it: it.orders == 305)
        await eventually(lambda: count(said), lambda it: it == 2)
        assert [(each.percent, each.limit) for each in said] == [(80, 300), (100, 300)]
        last_month = NOW.replace(day=1) - timedelta(days=1)
        old = order(merchant, order_id="old", created_at=last_month)
        await say(process, shop.ORDER_UPDATED, old, merchant)
        await sell(range(305, 306))
        await eventually(lambda: usage_of(process, merchant), lambda it: it.orders == 306)
        assert (await usage_of(process, uuid4())).orders == 0
