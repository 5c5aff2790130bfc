"""Tokens of customers over real HTTP: for extensions, and for the visitors of a storefront."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
import pytest_asyncio

from contracts.shop import member_id
from infra.demo_shop.admin.credentials import proxied_query
from tests.conftest import Run
from tests.mesh.installing import BEFORE, claims, refused, rows
from tests.mesh.shopify import Shopify, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    services = ("api_gateway", "auth", "roles", "points")
    async with shopify(run, environment, *services, shopify_previous_client_secret=BEFORE) as one:
        yield one


async def test_an_extension_gets_a_token_of_its_customer_and_shop(at: Shopify) -> None:
    shop, other = new_shop(), new_shop()
    merchant = await at.install(shop)
    await at.install(other)
    token = at.extension_token(shop, "41")
    for _ in range(2):  # extensions keep their token and show it again
        answer = await at.with_token("/v1/api/auth/customer", token)
        said = await claims(at, answer.json()["token"])
        assert (said.audience, said.merchant_id, said.role) == (
            "customer", merchant.merchant_id, "customer",
        )  # fmt: skip
        assert said.customer_id == member_id(merchant.merchant_id, "41")
    nobody = await at.with_token("/v1/api/auth/customer", at.extension_token(shop, ""))
    assert nobody.json() == {"token": None, "expires_at": None}
    bad = [
        at.session_token(shop), at.extension_token(shop, "41", aud="other"),
        at.extension_token(shop, "41", sub="gid://shopify/Company/41"),
        at.extension_token(shop, "41", exp=1),
    ]  # fmt: skip
    for each in bad:
        refused(await at.with_token("/v1/api/auth/customer", each), 401, "INVALID_SESSION_TOKEN")
    unknown = at.extension_token(new_shop(), "41")
    refused(await at.with_token("/v1/api/auth/customer", unknown), 404, "NOT_FOUND")


async def test_extensions_of_any_origin_may_ask_for_their_customer(at: Shopify) -> None:
    for origin in ("https://extensions.shopifycdn.com", "null", "https://anything.example"):
        asked = await at.edge.http.options(
            "/v1/api/auth/customer",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "*"
        assert "Authorization" in asked.headers["access-control-allow-headers"]
        answer = await at.with_token("/v1/api/auth/customer", "bad", Origin=origin)
        assert answer.headers["access-control-allow-origin"] == "*"
    # The log-in of staff is for pages of the shop and of Shopify's admin.
    stranger = await at.with_token("/v1/api/auth/login", "bad", Origin="https://anything.example")
    assert "access-control-allow-origin" not in stranger.headers


async def proxied(at: Shopify, query: str) -> httpx.Response:
    return await at.edge.http.get(f"/proxy/token?{query}")


async def test_a_storefront_gets_a_token_of_its_visitor(at: Shopify) -> None:
    shop = new_shop()
    merchant = await at.install(shop)
    now = datetime.now(UTC)
    answer = await proxied(at, proxied_query(at.app, shop, "51", now))
    said = await claims(at, answer.json()["token"])
    assert said.customer_id == member_id(merchant.merchant_id, "51")
    assert answer.headers["cache-control"] == "no-store"
    assert said.expires_at - now <= timedelta(minutes=15, seconds=5)
    nobody = await proxied(at, proxied_query(at.app, shop, "", now))
    assert nobody.json() == {"token": None, "expires_at": None}
    unknown = proxied_query(at.app, new_shop(), "51", now)
    refused(await proxied(at, unknown), 404, "NOT_FOUND")
    own = {"extra": "1 & 2"}
    assert (await proxied(at, proxied_query(at.app, shop, "51", now, own))).status_code == 200


async def test_nobody_but_shopify_says_who_visits(at: Shopify) -> None:
    shop = new_shop()
    await at.install(shop)
    now = datetime.now(UTC)
    good = proxied_query(at.app, shop, "51", now)
    stranger = at.app._replace(secret="a secret of somebody else's")
    unsaid = {k: v for k, v in parse_qsl(good) if k not in ("logged_in_customer_id", "signature")}
    for bad in (
        "",
        good.replace("logged_in_customer_id=51", "logged_in_customer_id=52"),
        good + "&logged_in_customer_id=52",
        good + "&shop=" + shop,
        proxied_query(stranger, shop, "51", now),
        proxied_query(at.app, shop, "51", now - timedelta(seconds=95)),
        proxied_query(at.app, shop, "51", now + timedelta(seconds=95)),
        proxied_query(at.app, "evil.example", "51", now),
        urlencode(unsaid),
        "a=1&" * 200,
    ):
        refused(await proxied(at, bad), 401, "UNAUTHENTICATED")
    odd = proxied_query(at.app, shop, "51 OR 1=1", now)
    refused(await proxied(at, odd), 400, "INVALID_REQUEST")


async def test_a_customers_session_is_as_short_as_its_token(at: Shopify) -> None:
    shop = new_shop()
    merchant = await at.install(shop)
    await proxied(at, proxied_query(at.app, shop, "61", datetime.now(UTC)))
    (row,) = await rows(
        at,
        "SELECT opened_at, ends_at FROM sessions WHERE merchant_id = :id",
        id=merchant.merchant_id,
    )
    assert row.ends_at - row.opened_at == timedelta(minutes=15)
