"""Shopify's OAuth through its libraries, over HTTP to an admin: all grants, and bad answers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from litestar import Response

from adapters.shopify import oauth
from adapters.shopify.oauth import ShopifyOAuth
from adapters.shopify.reach import Reach
from adapters.system import SystemClock
from contracts.installs import ShopifyUnavailable
from infra.demo_shop.admin.credentials import App, session_token, signed_query
from infra.demo_shop.admin.server import Admin
from infra.embedded.ports import free_port
from ports.shopify_access import Grant, GrantRefused

SECRET = "the secret that the app has with Shopify"
APP = App("our-client-id", SECRET, ("read_orders", "write_customers"))
SHOP = "one.myshopify.com"
CALLBACK = "http://127.0.0.1:1/back"


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    async with Admin(APP, free_port(set()), callbacks=[CALLBACK]) as one:
        yield one


@pytest.fixture
async def shopify(admin: Admin) -> AsyncIterator[ShopifyOAuth]:
    one = client(admin)
    yield one
    await one.close()


def client(admin: Admin, secret: str = SECRET, before: str = "") -> ShopifyOAuth:
    return ShopifyOAuth(APP.client_id, secret, before, Reach(admin.base), SystemClock())


def token() -> str:
    return session_token(APP, SHOP, "7", datetime.now(UTC))


def is_whole(grant: Grant) -> None:
    now = datetime.now(UTC)
    assert timedelta(minutes=59) < grant.access_expires_at - now <= timedelta(hours=1)
    assert timedelta(days=89) < grant.refresh_expires_at - now <= timedelta(days=90)
    assert grant.access_token not in repr(grant)
    assert grant.refresh_token not in repr(grant)


async def test_consent_a_code_and_a_token(admin: Admin, shopify: ShopifyOAuth) -> None:
    scopes = ["read_orders", "write_customers", "read_customers"]
    address = shopify.authorize_url(SHOP, scopes, CALLBACK, "state-1")
    assert address.startswith(admin.base.format(shop=SHOP) + "/admin/oauth/authorize?")
    async with httpx.AsyncClient() as browser:
        sent_back = (await browser.get(address)).headers["location"]
    query = parse_qsl(urlsplit(sent_back).query)
    assert dict(query)["state"] == "state-1"
    assert shopify.is_signed(query)

    grant = await shopify.by_code(SHOP, dict(query)["code"])
    is_whole(grant)
    assert grant.scopes == ("read_orders", "write_customers")
    assert admin.grants.check(SHOP, grant.access_token)
    with pytest.raises(GrantRefused):
        await shopify.by_code(SHOP, dict(query)["code"])


async def test_a_session_token_is_exchanged_and_the_pair_rotates(
    admin: Admin, shopify: ShopifyOAuth
) -> None:
    first = await shopify.by_session_token(SHOP, token())
    is_whole(first)
    second = await shopify.by_refresh_token(SHOP, first.refresh_token)
    is_whole(second)
    assert second.refresh_token != first.refresh_token
    assert admin.grants.check(SHOP, second.access_token)
    await shopify.by_refresh_token(SHOP, second.refresh_token)
    with pytest.raises(GrantRefused):
        await shopify.by_refresh_token(SHOP, first.refresh_token)
    with pytest.raises(GrantRefused):
        await shopify.by_session_token(SHOP, session_token(APP, "two.myshopify.com", "7", _now()))


def _now() -> datetime:
    return datetime.now(UTC)


async def test_wrong_credentials_of_ours_are_not_the_shops_fault(admin: Admin) -> None:
    """Nobody is told that their access is lost because we were set up wrongly."""
    stranger = client(admin, "a secret that is not the one of this app")
    pair = admin.grants.by_code(SHOP, admin.grants.approve(SHOP, ["read_orders"]))
    for asking in each_question(stranger, pair.refresh_token):
        with pytest.raises(ShopifyUnavailable):
            await asking()
    await stranger.close()


def each_question(
    shopify: ShopifyOAuth, refresh_token: str = "r"
) -> list[Callable[[], Awaitable[Grant]]]:
    return [
        lambda: shopify.by_code(SHOP, "c"),
        lambda: shopify.by_session_token(SHOP, token()),
        lambda: shopify.by_refresh_token(SHOP, refresh_token),
    ]


async def test_what_a_shop_reckons_in(admin: Admin, shopify: ShopifyOAuth) -> None:
    admin.shops[SHOP].currency, admin.shops[SHOP].time_zone = "JPY", "Asia/Tokyo"
    grant = await shopify.by_session_token(SHOP, token())
    details = await shopify.details(SHOP, grant.access_token)
    assert (details.currency, details.time_zone) == ("JPY", "Asia/Tokyo")
    with pytest.raises(ShopifyUnavailable):
        await shopify.details(SHOP, "shpat_another")
    with pytest.raises(ShopifyUnavailable):
        await client_of_nowhere().details(SHOP, grant.access_token)


def client_of_nowhere() -> ShopifyOAuth:
    reach = Reach(f"http://127.0.0.1:{free_port(set())}/{{shop}}")
    return ShopifyOAuth(APP.client_id, SECRET, "", reach, SystemClock())


WHOLE: dict[str, Any] = {
    "access_token": "shpat_secret",
    "scope": "read_orders",
    "expires_in": 3600,
    "refresh_token": "shprt_secret",
    "refresh_token_expires_in": 7776000,
}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Response(b"<html>", media_type="text/html"), id="html"),
        pytest.param(Response(b"", media_type="application/json"), id="empty"),
        pytest.param(Response(b"[]", media_type="application/json"), id="list"),
        pytest.param(Response(b"null", media_type="application/json"), id="null"),
        pytest.param(Response({}), id="nothing"),
        pytest.param(Response(WHOLE | {"access_token": ""}), id="no-token"),
        pytest.param(Response(WHOLE | {"access_token": 7}), id="number"),
        pytest.param(Response(WHOLE | {"refresh_token": None}), id="no-refresh"),
        pytest.param(Response(WHOLE | {"expires_in": None}), id="no-expiry"),
        pytest.param(Response(WHOLE | {"expires_in": 0}), id="expired"),
        pytest.param(Response(WHOLE | {"expires_in": "soon"}), id="expires-soon"),
        pytest.param(Response(WHOLE | {"expires_in": 10**30}), id="never-expires"),
        pytest.param(Response(WHOLE | {"scope": ["read_orders"]}), id="scopes"),
        pytest.param(Response(b"", status_code=302, headers={"Location": "/"}), id="redirect"),
        pytest.param(Response({"error": "no"}, status_code=429), id="429"),
        pytest.param(Response(b"", status_code=500), id="500"),
        pytest.param(Response(b"", status_code=503), id="503"),
    ],
)
async def test_anything_but_a_clear_answer_is_an_error_that_says_nothing(
    admin: Admin,
    shopify: ShopifyOAuth,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answer: Response[Any],
) -> None:
    monkeypatch.setattr(asyncio, "sleep", _at_once)  # between the library's own repeats
    for asking in each_question(shopify):
        admin.wire.instead.extend([answer] * 3)
        with caplog.at_level(logging.DEBUG), pytest.raises(ShopifyUnavailable) as refusal:
            await asking()
        assert refusal.value.detail == ShopifyUnavailable.title
        admin.wire.instead.clear()
    said = caplog.text.replace(SECRET, "LEAK")
    assert not {"shpat_", "shprt_", "LEAK"} & set(said.split())
    assert "secret" not in said


_sleep = asyncio.sleep


async def _at_once(seconds: float, result: object = None) -> object:
    return await _sleep(0, result)


async def test_no_answer_is_not_waited_for(
    admin: Admin, shopify: ShopifyOAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth, "_WITHIN", 0.2)
    pair = admin.grants.by_code(SHOP, admin.grants.approve(SHOP, ["read_orders"]))
    admin.wire.released.clear()
    with pytest.raises(ShopifyUnavailable):
        await shopify.by_refresh_token(SHOP, pair.refresh_token)
    admin.wire.released.set()
    # The pair was made and its answer lost: the same question gets it.
    again = await shopify.by_refresh_token(SHOP, pair.refresh_token)
    assert admin.grants.check(SHOP, again.access_token)


async def test_nobody_there_is_an_error_too() -> None:
    shopify = client_of_nowhere()
    for asking in each_question(shopify):
        with pytest.raises(ShopifyUnavailable):
            await asking()
    await shopify.close()


def offline(secret: str = SECRET, before: str = "") -> ShopifyOAuth:
    return ShopifyOAuth(APP.client_id, secret, before, Reach("https://{shop}"), SystemClock())


def test_shopifys_documented_signature_is_good() -> None:
    """The worked example of Shopify's documentation, with its secret."""
    query = parse_qsl(
        "code=0907a61c0c8d55e99db179b68161bc00&hmac=700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2"
        "cbca10d7c328fc4bf&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=13371781"
        "73"
    )
    assert offline("hush").is_signed(query)


def signed(**changes: str) -> list[tuple[str, str]]:
    named = {"code": "c", "shop": SHOP, "state": "s", "timestamp": "1700000000"}
    return parse_qsl(signed_query(APP, named | changes))


def test_a_signature_is_over_every_parameter_and_by_a_secret_of_ours() -> None:
    shopify = offline("the secret that the app has by now and always", SECRET)
    query = signed()
    assert shopify.is_signed(query)
    assert shopify.is_signed(list(reversed(query)))
    for name in ("code", "shop", "state", "timestamp", "hmac"):
        changed = [(n, v + "0" if n == name else v) for n, v in query]
        assert not shopify.is_signed(changed)
        assert not shopify.is_signed([each for each in query if each[0] != name])
    assert not shopify.is_signed([*query, ("more", "1")])
    assert not shopify.is_signed([*query, ("shop", SHOP)])
    assert not shopify.is_signed([("hmac", "\u00e4"), *[e for e in query if e[0] != "hmac"]])
    assert not shopify.is_signed([])
    assert not offline("another secret of quite another app").is_signed(query)


@pytest.mark.parametrize("shop", ["evil.example", "evil.com/x", "one.myshopify.com@evil", ""])
def test_secrets_are_not_sent_to_what_is_no_shop(shop: str) -> None:
    with pytest.raises(ValueError, match="not the domain of a shop"):
        offline().authorize_url(shop, ["read_orders"], CALLBACK, "s")
    with pytest.raises(ValueError, match="not the domain of a shop"):
        Reach("https://{shop}").url(shop, "/")


async def test_a_client_goes_to_shops_only() -> None:
    async with Reach("https://{shop}").client() as http:
        with pytest.raises(ValueError, match="not the domain of a shop"):
            await http.get("https://evil.example/admin")


def test_in_production_a_shop_is_reached_at_its_own_domain() -> None:
    address = offline().authorize_url("One.myshopify.com", ["read_orders"], CALLBACK, "s")
    assert address.startswith("https://one.myshopify.com/admin/oauth/authorize?client_id=")
    assert offline().app_url(SHOP) == f"https://{SHOP}/admin/apps/our-client-id"
