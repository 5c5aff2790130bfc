"""A suspended shop: refused everywhere within a second, worked for by nobody, and nothing lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio

from adapters.runtime.host import Process
from contracts import auth, shop, suspensions
from contracts.caller import Audience, Caller, service_caller
from contracts.installs import GET_SHOPIFY_ACCESS, GetShopifyAccess
from domain.errors import InvalidRequest, NotFound, Unauthenticated
from ports.sessions import Holder
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge, shopify_order
from tests.mesh.said import mesh_of, register, say
from tests.mesh.sessions import Auth
from tests.mesh.test_edge import spendable
from tests.mesh.test_revocation import post, seconds_until_refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "does not pay for two months"


@dataclass
class Staffed:
    """Our staff, and a shop that it looks at."""

    process: Process
    shop_domain: str
    staff: Caller

    async def suspend(self, reason: str = WHY) -> suspensions.ShopStanding:
        request = suspensions.ChangeSuspension(shop_domain=self.shop_domain, reason=reason)
        return await mesh_of(self.process).call(suspensions.SUSPEND_MERCHANT, request, self.staff)

    async def resume(self) -> suspensions.ShopStanding:
        request = suspensions.ChangeSuspension(
            shop_domain=self.shop_domain, reason="has paid by now"
        )
        return await mesh_of(self.process).call(suspensions.RESUME_MERCHANT, request, self.staff)

    async def standing(self) -> str:
        request = auth.ValidateMerchant(shop_domain=self.shop_domain)
        caller = service_caller("test")
        return (await mesh_of(self.process).call(auth.VALIDATE_MERCHANT, request, caller)).status

    async def removes_the_app(self, merchant: auth.Merchant) -> None:
        gone = shop.Uninstalled(shop_domain=self.shop_domain, removed_at=datetime.now(UTC))
        await say(self.process, shop.APP_UNINSTALLED, gone, merchant.merchant_id)
        await eventually(self.standing, lambda status: status == "uninstalled")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(run: Run) -> AsyncIterator[Process]:
    async with run("api_gateway", "auth", "roles", "core", "points", "admin_core") as running:
        yield running


async def staffed(process: Process, domain: str) -> Staffed:
    caller = Caller(audience=Audience.ADMIN, actor=str(uuid4()), permissions=("admin:full",))
    return Staffed(process, domain, caller)


async def test_everybody_is_refused_within_a_second_and_orders_go_on_counting(
    process: Process,
) -> None:
    merchant = await register(process)
    domain, edge = merchant.shop_domain, Edge(process)
    ours = await staffed(process, domain)
    accounts = Auth(process, merchant)
    pair = await accounts.open("ann")
    owner, member = await edge.token(shop=domain), await edge.token("customer", "7", domain)
    order = {"X_Shopify_Shop_Domain": domain}
    assert (await edge.deliver("orders/create", shopify_order(1, 7), **order)).status_code == 200
    await eventually(lambda: spendable(edge, owner, "7"), lambda points: points == 100)

    told = await ours.suspend()
    assert (told.status, told.reason, told.suspended_by) == ("suspended", WHY, ours.staff.name)
    waits = [await seconds_until_refused(edge, each) for each in (owner, member, pair.token)]
    assert max(waits) < 1
    body = {"refresh_token": pair.refresh_token}
    assert (await post(edge, "/v1/api/auth/refresh", **body)).status_code == 401
    with pytest.raises(NotFound):
        await edge.token(shop=domain)
    with pytest.raises(NotFound):
        await accounts.open("ann")
    with pytest.raises(NotFound):
        await mesh_of(process).call(
            GET_SHOPIFY_ACCESS, GetShopifyAccess(), service_caller("test", merchant.merchant_id)
        )

    # What Shopify says is taken and counted meanwhile.
    answer = await edge.deliver("orders/create", shopify_order(2, 7), **order)
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})

    resumed = await ours.resume()
    assert (resumed.status, resumed.suspended_at, resumed.reason) == ("active", None, "")
    owner = await edge.token(shop=domain)
    await eventually(lambda: spendable(edge, owner, "7"), lambda points: points == 200)
    assert (await edge.get("/v1/api/auth/sessions", member)).status_code == 401  # for good

    async def log() -> list[tuple[str, str, str]]:
        found = (await edge.get("/v1/api/audit", owner, limit="50")).json()["records"]
        return [
            (each["action"], each["details"], each["actor"])
            for each in found
            if each["action"] == "merchant.suspension_changed"
        ]

    staff = ours.staff.name
    await eventually(
        log,
        lambda found: sorted(found) == [
            ("merchant.suspension_changed", "resumed: has paid by now", staff),
            ("merchant.suspension_changed", f"suspended: {WHY}", staff),
        ],
    )  # fmt: skip
    await edge.http.aclose()


async def test_coming_back_lifts_no_suspension(process: Process) -> None:
    merchant = await register(process)
    ours = await staffed(process, merchant.shop_domain)
    await ours.suspend()
    await ours.removes_the_app(merchant)
    assert (await register(process, merchant.shop_domain)).status == "suspended"
    # Nor is it got around by being away when it happens.
    assert (await ours.resume()).status == "active"
    await ours.removes_the_app(merchant)
    assert (await ours.suspend()).status == "uninstalled"
    assert (await register(process, merchant.shop_domain)).status == "suspended"
    await ours.removes_the_app(merchant)
    assert (await ours.resume()).status == "uninstalled"
    assert (await register(process, merchant.shop_domain)).status == "active"


async def test_who_logs_in_at_that_moment_is_out_as_well(process: Process) -> None:
    merchant = await register(process)
    ours = await staffed(process, merchant.shop_domain)
    accounts = Auth(process, merchant)
    holder = Holder(Audience.MERCHANT, "staff:bob", merchant_id=merchant.merchant_id)
    opened, *_ = await asyncio.gather(
        asyncio.gather(*(accounts.sessions.open(holder) for _ in range(8)), return_exceptions=True),
        ours.suspend(),
        ours.suspend(),
    )
    for pair in opened:
        if isinstance(pair, BaseException):
            assert isinstance(pair, NotFound)
            continue
        asked = auth.ValidateToken(token=pair.token)
        with pytest.raises(Unauthenticated):
            await mesh_of(process).call(auth.VALIDATE_TOKEN, asked, service_caller("test"))


async def test_what_was_said_first_stays_and_nonsense_is_refused(process: Process) -> None:
    merchant = await register(process)
    ours = await staffed(process, merchant.shop_domain)
    first = await ours.suspend()
    assert await ours.suspend("something else to say") == first
    for reason in ("short", "x" * 501, "two\nlines of it, which no log likes"):
        with pytest.raises(InvalidRequest) as refused:
            await ours.suspend(reason)
        assert [each.pointer for each in refused.value.problems] == ["/reason"]
    for unknown in ("nobody.myshopify.com", "no shop at all"):
        with pytest.raises(NotFound):
            await (await staffed(process, unknown)).suspend()
    listed = suspensions.ListSuspended(limit=250)
    page = await mesh_of(process).call(suspensions.LIST_SUSPENDED, listed, ours.staff)
    assert first in page.shops
    await ours.resume()
    page = await mesh_of(process).call(suspensions.LIST_SUSPENDED, listed, ours.staff)
    assert first.merchant_id not in {each.merchant_id for each in page.shops}
    assert (await ours.resume()).status == "active"
