"""Auth on real servers: shops come and go in any order of news, tokens hold what they say."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from adapters.runtime.host import Process
from contracts import auth, roles, shop
from contracts.caller import ANYONE, service_caller
from contracts.shop import member_id
from domain.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from tests.conftest import Run, eventually
from tests.mesh.keys import merchant_of
from tests.mesh.said import mesh_of, register, say, times_said

TEST = service_caller("test")
DEMO = "demo-store.myshopify.com"


async def uninstalled(process: Process, merchant: auth.Merchant, at: datetime) -> None:
    body = shop.Uninstalled(shop_domain=merchant.shop_domain)
    await say(process, shop.APP_UNINSTALLED, body, merchant.merchant_id, at=at)


async def status_is(process: Process, merchant: auth.Merchant, status: str) -> None:
    await eventually(
        lambda: merchant_of(process, merchant.merchant_id), lambda found: found.status == status
    )


async def after_all_that(process: Process) -> None:
    """Wait until auth has applied what was said so far: something said later has shown effect."""
    marker = await register(process)
    await uninstalled(process, marker, datetime.now(UTC))
    await status_is(process, marker, "uninstalled")


async def test_a_shop_registers_once_however_many_try(run: Run) -> None:
    domain = f"Race-{uuid4().hex}.myshopify.com"
    async with run("auth") as process:
        found = await asyncio.gather(*(register(process, domain) for _ in range(8)))
        (merchant,) = {each.merchant_id: each for each in found}.values()
        assert merchant.shop_domain == domain.lower()
        assert (merchant.status, merchant.currency, merchant.time_zone) == ("active", "USD", "UTC")
        assert await merchant_of(process, merchant.merchant_id) == merchant
        by_domain = auth.ValidateMerchant(shop_domain=domain)
        assert await mesh_of(process).call(auth.VALIDATE_MERCHANT, by_domain, TEST) == merchant
        # The outbox is published in order: once the later event is there, the first is complete.
        await uninstalled(process, merchant, datetime.now(UTC))
        await eventually(lambda: times_said(process, auth.MERCHANT_CHANGED, merchant.merchant_id))
        assert await times_said(process, auth.MERCHANT_CREATED, merchant.merchant_id) == 1


async def test_an_old_uninstall_does_not_end_a_newer_installation(run: Run) -> None:
    async with run("auth") as process:
        merchant = await register(process)
        early = merchant.installed_at - timedelta(seconds=1)
        await uninstalled(process, merchant, early)
        await after_all_that(process)
        assert (await merchant_of(process, merchant.merchant_id)).status == "active"

        removed = datetime.now(UTC)
        await uninstalled(process, merchant, removed)
        await status_is(process, merchant, "uninstalled")
        back = await register(process, merchant.shop_domain)
        assert (back.merchant_id, back.wrapped_key) == (merchant.merchant_id, merchant.wrapped_key)
        assert back.status == "active"
        assert back.installed_at > merchant.installed_at
        await uninstalled(process, merchant, removed)
        await after_all_that(process)
        assert await merchant_of(process, merchant.merchant_id) == back
        assert await times_said(process, auth.MERCHANT_CHANGED, merchant.merchant_id) == 2


async def test_a_reinstall_that_overtakes_the_uninstall_holds(run: Run) -> None:
    async with run("auth") as process:
        merchant = await register(process)
        removed = datetime.now(UTC)
        await register(process, merchant.shop_domain)
        await uninstalled(process, merchant, removed)
        await uninstalled(process, merchant, removed - timedelta(seconds=1))
        await after_all_that(process)
        assert await merchant_of(process, merchant.merchant_id) == merchant
        assert await times_said(process, auth.MERCHANT_CHANGED, merchant.merchant_id) == 0


async def test_what_is_no_shop_is_refused_or_not_found(run: Run) -> None:
    async with run("auth") as process:
        mesh = mesh_of(process)
        for domain in (
            "", "myshopify.com", "x.myshopify.com.evil.example", "evil.example/x.myshopify.com",
            "-x.myshopify.com", "x.myshopify.com\n", "a b.myshopify.com", "x\0.myshopify.com",
        ):  # fmt: skip
            bad = auth.RegisterMerchant(shop_domain=domain)
            with pytest.raises(InvalidRequest):
                await mesh.call(auth.REGISTER_MERCHANT, bad, TEST)
            unknown = auth.ValidateMerchant(shop_domain=domain)
            with pytest.raises((NotFound, InvalidRequest)):
                await mesh.call(auth.VALIDATE_MERCHANT, unknown, TEST)
        all_bad = auth.RegisterMerchant(
            shop_domain="shop.example", currency="dollars", time_zone="../etc/passwd"
        )
        with pytest.raises(InvalidRequest) as refusal:
            await mesh.call(auth.REGISTER_MERCHANT, all_bad, TEST)
        assert {each.pointer for each in refusal.value.problems} == {
            "/shop_domain", "/currency", "/time_zone",
        }  # fmt: skip
        with pytest.raises(NotFound):
            await merchant_of(process, uuid4())
        both = auth.ValidateMerchant(shop_domain=DEMO, merchant_id=uuid4())
        with pytest.raises(InvalidRequest):
            await mesh.call(auth.VALIDATE_MERCHANT, both, TEST)


async def test_an_uninstall_of_an_unknown_shop_does_nothing(run: Run) -> None:
    nobody = uuid4()
    async with run("auth") as process:
        body = shop.Uninstalled(shop_domain="nobody.myshopify.com")
        await say(process, shop.APP_UNINSTALLED, body, nobody)
        await after_all_that(process)
        assert await times_said(process, auth.MERCHANT_CHANGED, nobody) == 0


async def test_tokens_say_whose_they_are(run: Run) -> None:
    async with run("auth", "roles") as process:
        mesh = mesh_of(process)
        merchant = await register(process)

        async def claims_of(role: str, customer: str = "") -> auth.TokenClaims:
            request = auth.IssueDevelopmentToken(
                shop_domain=merchant.shop_domain, role=role, shopify_customer_id=customer
            )
            token = await mesh.call(auth.ISSUE_DEVELOPMENT_TOKEN, request, TEST)
            asked = auth.ValidateToken(token=token.token)
            claims = await mesh.call(auth.VALIDATE_TOKEN, asked, TEST)
            assert claims.expires_at == token.expires_at
            left = claims.expires_at - datetime.now(UTC)
            assert timedelta(minutes=14) < left <= timedelta(minutes=15)
            return claims

        owner = await claims_of("owner")
        assert (owner.audience, owner.role, owner.merchant_id, owner.customer_id) == (
            "merchant", "owner", merchant.merchant_id, None,
        )  # fmt: skip
        member = await claims_of("customer", "77")
        assert (member.audience, member.merchant_id) == ("customer", merchant.merchant_id)
        assert member.customer_id == member_id(merchant.merchant_id, "77")
        assert member.token_id != owner.token_id

        with pytest.raises(NotFound):
            await claims_of("clerk")
        clerk = roles.CreateRole(name="clerk", permissions=("points:read",))
        shop_caller = service_caller("test", merchant.merchant_id)
        await mesh.call(roles.CREATE_ROLE, clerk, shop_caller, idempotency_key="clerk")
        assert (await claims_of("clerk")).role == "clerk"

        for role, customer in (("customer", ""), ("owner", "77")):
            with pytest.raises(InvalidRequest):
                await claims_of(role, customer)
        nowhere = auth.IssueDevelopmentToken(shop_domain="nowhere.myshopify.com")
        with pytest.raises(NotFound):
            await mesh.call(auth.ISSUE_DEVELOPMENT_TOKEN, nowhere, TEST)
        with pytest.raises(Unauthenticated):
            await mesh.call(auth.VALIDATE_TOKEN, auth.ValidateToken(token="a.b.c"), TEST)

        await uninstalled(process, merchant, datetime.now(UTC))
        await status_is(process, merchant, "uninstalled")
        with pytest.raises(NotFound):
            await claims_of("owner")


async def test_the_demo_shop_is_there_and_anybody_may_look(run: Run) -> None:
    async with run("auth") as process:
        mesh = mesh_of(process)
        by_domain = auth.ValidateMerchant(shop_domain=DEMO)
        demo = await mesh.call(auth.VALIDATE_MERCHANT, by_domain, TEST)
        assert (demo.status, demo.currency, demo.time_zone) == ("active", "USD", "America/New_York")
        token = await mesh.call(auth.OPEN_DEMO_SESSION, auth.OpenDemoSession(), ANYONE)
        asked = auth.ValidateToken(token=token.token)
        claims = await mesh.call(auth.VALIDATE_TOKEN, asked, TEST)
        assert (claims.audience, claims.role, claims.merchant_id) == (
            "merchant", "analyst", demo.merchant_id,
        )  # fmt: skip


async def test_without_demo_nobody_gets_a_token_for_nothing(run: Run) -> None:
    async with run("auth", demo="0") as process:
        mesh = mesh_of(process)
        with pytest.raises(Forbidden):
            await mesh.call(auth.OPEN_DEMO_SESSION, auth.OpenDemoSession(), ANYONE)
        asked = auth.IssueDevelopmentToken(shop_domain=DEMO)
        with pytest.raises(Forbidden):
            await mesh.call(auth.ISSUE_DEVELOPMENT_TOKEN, asked, TEST)
        with pytest.raises(Unauthenticated):
            await mesh.call(auth.VALIDATE_MERCHANT, auth.ValidateMerchant(shop_domain=DEMO), ANYONE)
