"""Shops that are in, over real HTTP: access is renewed and lost; they leave, and come back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from litestar import Response

from contracts import auth, installs
from domain.errors import NotFound
from tests.conftest import Run, eventually
from tests.mesh.edge import shopify_order
from tests.mesh.installing import BEFORE, claims, refused, rows
from tests.mesh.shopify import Shopify, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    services = ("api_gateway", "auth", "roles", "points")
    async with shopify(run, environment, *services, shopify_previous_client_secret=BEFORE) as one:
        yield one


async def about_to_end(at: Shopify) -> auth.Merchant:
    """A shop whose access token is good for less than is promised to those who ask."""
    grants = at.admin.grants
    grants.access_lifetime, usual = timedelta(minutes=4), grants.access_lifetime
    try:
        return await at.install(new_shop())
    finally:
        grants.access_lifetime = usual


async def test_ten_who_need_access_at_once_renew_it_once(
    at: Shopify, run: Run, environment: dict[str, str]
) -> None:
    merchant = await about_to_end(at)
    before = at.asked("refresh_token")
    # Two processes of auth: calls go to either.
    async with run("auth", shopify_api_base=at.admin.base):
        got = await asyncio.gather(*(at.access(merchant) for _ in range(10)))
    assert at.asked("refresh_token") == before + 1
    assert {each.version for each in got} == {2}
    assert len({each.access_token for each in got}) == 1
    assert at.holds(got[0])
    assert (await at.access(merchant)).version == 2
    assert at.asked("refresh_token") == before + 1


async def test_a_token_that_shopify_has_refused_is_renewed_though_it_is_young(at: Shopify) -> None:
    merchant = await at.install(new_shop())
    first = await at.access(merchant)
    got = await asyncio.gather(*(at.access(merchant, first.version) for _ in range(5)))
    assert {each.version for each in got} == {2}
    assert at.holds(got[0])
    assert (await at.access(merchant, first.version)).version == 2
    with pytest.raises(Exception, match="Invalid API key"):
        at.holds(first)


async def test_while_shopify_is_away_nothing_is_lost(at: Shopify) -> None:
    merchant = await about_to_end(at)
    at.admin.wire.instead.extend([Response({}, status_code=503)] * 3)
    with pytest.raises(installs.ShopifyUnavailable):
        await at.access(merchant)
    assert at.holds(await at.access(merchant))


async def test_access_that_is_lost_is_found_again_by_a_log_in(at: Shopify) -> None:
    merchant = await about_to_end(at)
    at.admin.grants.uninstall(merchant.shop_domain)  # and no webhook tells us
    for _ in range(2):
        with pytest.raises(installs.AccessLost):
            await at.access(merchant)
    before = at.asked("refresh_token")
    with pytest.raises(installs.AccessLost):
        await at.access(merchant)
    assert at.asked("refresh_token") == before  # Shopify has said it, once is enough
    assert (await at.log_in(merchant.shop_domain)).status_code == 200
    got = await at.access(merchant)
    assert at.holds(got)
    assert got.version == 2


async def test_scopes_that_change_are_known(at: Shopify) -> None:
    merchant = await at.install(new_shop())

    async def granted() -> tuple[str, ...]:
        return (await at.access(merchant)).scopes

    now = datetime.now(UTC)
    for current, changed_at in (
        (["read_orders", "write_customers"], now + timedelta(seconds=2)),
        (["read_products"], now - timedelta(days=1)),
    ):
        body = {"id": 1, "current": current, "updated_at": changed_at.isoformat()}
        assert await at.deliver(merchant.shop_domain, "app/scopes_update", body) == 200
    await eventually(granted, lambda scopes: scopes == ("read_orders", "write_customers"))


async def status_is(at: Shopify, shop: str, status: str) -> auth.Merchant:
    return await eventually(lambda: at.merchant(shop), lambda found: found.status == status)


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


async def test_a_shop_that_leaves_is_left_alone_and_finds_its_data_when_it_comes_back(
    at: Shopify,
) -> None:
    shop = new_shop()
    merchant = await at.install(shop)
    pair = (await at.log_in(shop, "31")).json()
    member = (await at.with_token("/v1/api/auth/customer", at.extension_token(shop, "77"))).json()
    assert await at.deliver(shop, "orders/create", shopify_order(1, 77)) == 200
    balance = "/v1/api/points/balance"

    async def spendable(token: str) -> int:
        answer = await at.edge.get(balance, token, shopify_customer_id="77")
        return answer.json()["spendable"] if answer.status_code == 200 else -answer.status_code

    await eventually(lambda: spendable(pair["token"]), lambda points: points == 100)

    at.admin.grants.uninstall(shop)
    assert await at.deliver(shop, "app/uninstalled", X_Shopify_Triggered_At=ago(0)) == 200
    await status_is(at, shop, "uninstalled")
    with pytest.raises(NotFound):
        await at.access(merchant)
    (row,) = await rows(
        at, "SELECT sealed_pair FROM installs WHERE merchant_id = :id", id=merchant.merchant_id
    )
    assert row.sealed_pair is None
    await eventually(lambda: spendable(pair["token"]), lambda answer: answer == -401)
    await eventually(lambda: spendable(member["token"]), lambda answer: answer == -401)
    refresh = {"refresh_token": pair["refresh_token"]}
    refused(await at.edge.http.post("/v1/api/auth/refresh", json=refresh), 401, "UNAUTHENTICATED")
    customer = await at.with_token("/v1/api/auth/customer", at.extension_token(shop, "77"))
    refused(customer, 404, "NOT_FOUND")

    # What Shopify still says of it: nothing but what the law wants, and the same news again.
    await eventually(
        lambda: at.deliver(shop, "orders/create", shopify_order(2, 77)),
        lambda status: status == 404,
    )
    redact = {"shop_id": 1, "shop_domain": shop, "customer": {"id": 77}, "orders_to_redact": []}
    assert await at.deliver(shop, "customers/redact", redact) == 200
    assert await at.deliver(shop, "app/uninstalled", X_Shopify_Triggered_At=ago(0)) == 200

    back = await at.log_in(shop, "31")
    assert back.status_code == 200, back.text
    again = await at.merchant(shop)
    assert (again.merchant_id, again.wrapped_key, again.status) == (
        merchant.merchant_id, merchant.wrapped_key, "active",
    )  # fmt: skip
    assert again.installed_at > merchant.installed_at
    assert (await claims(at, back.json()["token"])).role == "owner"
    assert await spendable(back.json()["token"]) == 100
    assert at.holds(await at.access(again))
    await eventually(
        lambda: at.deliver(shop, "orders/create", shopify_order(3, 77)),
        lambda status: status == 200,
    )
    assert await eventually(lambda: spendable(back.json()["token"]), lambda points: points == 200)


async def after_that(at: Shopify) -> None:
    """Wait until auth has applied what was delivered so far: something later shows effect."""
    marker = new_shop()
    await at.install(marker)
    await at.deliver(marker, "app/uninstalled")
    await status_is(at, marker, "uninstalled")


async def installed_an_hour_ago(at: Shopify) -> str:
    shop = new_shop()
    merchant = await at.install(shop)
    await rows(
        at,
        "UPDATE merchants SET installed_at = installed_at - interval '1 hour',"
        " seen_at = seen_at - interval '1 hour' WHERE merchant_id = :id RETURNING 1",
        id=merchant.merchant_id,
    )
    return shop


@pytest.mark.parametrize("by", ["consent", "log-in"])
async def test_late_news_of_a_removal_do_not_end_what_began_after_it(at: Shopify, by: str) -> None:
    """Shopify tries for four hours. The shop may be back by then, though we never knew it gone:
    whoever logs in shows that it has the app."""
    back, gone = await installed_an_hour_ago(at), await installed_an_hour_ago(at)
    if by == "consent":
        await at.install(back)
    else:
        assert (await at.log_in(back)).status_code == 200
    for shop in (back, gone):
        assert await at.deliver(shop, "app/uninstalled", X_Shopify_Triggered_At=ago(600)) == 200
    await status_is(at, gone, "uninstalled")
    await after_that(at)
    assert (await at.merchant(back)).status == "active"
    # One that is removed after that is removed, whatever the header says of the future.
    future = ago(-3600)
    assert await at.deliver(back, "app/uninstalled", X_Shopify_Triggered_At=future) == 200
    await status_is(at, back, "uninstalled")
    await at.install(back)
    await after_that(at)
    assert (await at.merchant(back)).status == "active"


async def test_a_removal_while_access_is_renewed_leaves_no_token_behind(at: Shopify) -> None:
    merchant = await about_to_end(at)
    shop = merchant.shop_domain
    before = at.asked("refresh_token")
    at.admin.wire.released.clear()
    renewing = asyncio.create_task(at.access(merchant))
    await eventually(lambda: _value(at.asked("refresh_token") > before))
    await at.deliver(shop, "app/uninstalled", X_Shopify_Triggered_At=ago(0))
    await status_is(at, shop, "uninstalled")
    at.admin.wire.released.set()
    with pytest.raises(NotFound):
        await renewing
    (row,) = await rows(
        at, "SELECT sealed_pair FROM installs WHERE merchant_id = :id", id=merchant.merchant_id
    )
    assert row.sealed_pair is None


async def _value(value: bool) -> bool:
    return value
