"""Getting in from Shopify over real HTTP: by consent, by a log-in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio
from litestar import Response

from adapters.http.install import BEGIN, CALLBACK, COOKIE
from contracts import auth, roles
from contracts.caller import Audience, Caller, service_caller
from contracts.suspensions import SUSPEND_MERCHANT, ChangeSuspension
from domain.errors import NotFound, Unauthenticated
from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.credentials import signed_query
from tests.conftest import Run, eventually
from tests.mesh.installing import BEFORE, claims, refused, rows
from tests.mesh.said import mesh_of, times_said
from tests.mesh.shopify import Shopify, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")
RETRY = "x-shopify-retry-invalid-session-request"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    services = ("api_gateway", "auth", "roles", "points")
    async with shopify(run, environment, *services, shopify_previous_client_secret=BEFORE) as one:
        yield one


async def is_not_there(at: Shopify, shop: str) -> None:
    with pytest.raises(NotFound):
        await at.merchant(shop)


async def test_a_merchant_consents_and_the_shop_is_in(at: Shopify) -> None:
    shop = new_shop()
    ours, address = await at.begin(shop)
    assert ours.status_code == 302
    asked = dict(parse_qsl(urlsplit(ours.headers["location"]).query))
    assert set(asked["scope"].split(",")) == REQUIRED_SCOPES
    cookie = ours.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={asked['state']}; ")
    assert {"HttpOnly", "SameSite=Lax", f"Path={CALLBACK}"} <= set(cookie.split("; "))
    await is_not_there(at, shop)

    back = await at.come_back(address, ours)
    assert back.status_code == 302
    assert back.headers["location"].endswith(f"/{shop}/admin/apps/{at.app.client_id}")
    assert "Max-Age=0" in back.headers["set-cookie"]
    merchant = await at.merchant(shop)
    assert merchant.status == "active"
    assert await eventually(
        lambda: times_said(at.process, auth.MERCHANT_CREATED, merchant.merchant_id)
    )

    got = await at.access(merchant)
    assert (got.shop_domain, got.version) == (shop, 1)
    assert at.holds(got)
    assert timedelta(minutes=59) < got.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert "write_discounts" in got.scopes
    (row,) = await rows(
        at, "SELECT * FROM installs WHERE merchant_id = :id", id=merchant.merchant_id
    )
    assert not any(secret in str(row) for secret in ("shpat_", "shprt_", got.access_token))


async def test_a_shop_reckons_in_what_shopify_says(at: Shopify) -> None:
    consenting, logging_in = new_shop(), new_shop()
    for shop in (consenting, logging_in):
        there = at.admin.shops[shop]
        there.currency, there.time_zone = "EUR", "Europe/Berlin"
    await at.install(consenting)
    assert (await at.log_in(logging_in)).status_code == 200
    for shop in (consenting, logging_in):
        merchant = await at.merchant(shop)
        assert (merchant.currency, merchant.time_zone) == ("EUR", "Europe/Berlin")


async def test_a_link_of_shopifys_app_store_is_signed_and_checked(at: Shopify) -> None:
    shop, now = new_shop(), str(int(datetime.now(UTC).timestamp()))
    good = signed_query(at.app, {"shop": shop, "timestamp": now})
    assert (await at.edge.http.get(f"{BEGIN}?{good}")).status_code == 302
    for bad in (
        good.replace(shop, new_shop()),
        signed_query(at.app, {"shop": shop, "timestamp": "1337178173"}),
        signed_query(at.app, {"shop": shop}),
        signed_query(at.app._replace(secret="not the secret"), {"shop": shop, "timestamp": now}),
    ):
        refused(await at.edge.http.get(f"{BEGIN}?{bad}"), 401, "INVALID_INSTALL")


@pytest.mark.parametrize(
    "shop", ["", "evil.example", "x.myshopify.com.evil.example", "evil.example/x.myshopify.com"]
)
async def test_nobody_is_sent_to_what_is_no_shop(at: Shopify, shop: str) -> None:
    refused(await at.edge.http.get(BEGIN, params={"shop": shop}), 400, "INVALID_REQUEST")


async def test_a_browser_that_comes_back_with_something_else_gets_nothing(at: Shopify) -> None:
    shop, other = new_shop(), new_shop()
    ours, address = await at.begin(shop)
    query = urlsplit(address).query
    named = dict(parse_qsl(query))
    stale = str(int(datetime.now(UTC).timestamp()) - 3600)

    def signed(**changes: str) -> str:
        unsigned = {k: v for k, v in named.items() if k != "hmac"}
        return signed_query(at.app, unsigned | changes)

    foreign = at.app._replace(secret="a secret of nobody's")
    for bad in (
        "",
        query.replace(named["hmac"], "0" * 64),
        query + "&shop=" + other,
        urlencode(named | {"shop": other}),
        urlencode({k: v for k, v in named.items() if k != "hmac"}),
        signed_query(foreign, {k: v for k, v in named.items() if k != "hmac"}),
        signed(timestamp=stale),
        signed(timestamp="soon"),
        signed(shop="evil.example"),
        signed(shop=f"{shop}.evil.example"),
        signed(state="a state that was never ours"),
        "a=1&" * 40,
        "x" * 5000,
    ):
        refused(await at.come_back(f"http://x{CALLBACK}?{bad}", ours), 401, "INVALID_INSTALL")
    # Another browser than the one that began, which has no cookie or its own.
    at.edge.http.cookies.clear()
    refused(await at.edge.http.get(f"{CALLBACK}?{query}"), 401, "INVALID_INSTALL")
    theirs, _ = await at.begin(shop)
    refused(await at.come_back(address, theirs), 401, "INVALID_INSTALL")
    await is_not_there(at, shop)

    # After all that the right one is still good, once.
    assert (await at.come_back(address, ours)).status_code == 302
    refused(await at.come_back(address, ours), 401, "INVALID_INSTALL")


async def test_a_state_counts_in_its_shop_only_and_not_for_ever(at: Shopify) -> None:
    shop, other = new_shop(), new_shop()
    ours, address = await at.begin(shop)
    named = dict(parse_qsl(urlsplit(address).query))
    code = at.admin.grants.approve(other, REQUIRED_SCOPES)
    del named["hmac"]
    elsewhere = signed_query(at.app, named | {"shop": other, "code": code})
    refused(await at.come_back(f"http://x{CALLBACK}?{elsewhere}", ours), 401, "INVALID_INSTALL")
    # It was used up by that.
    refused(await at.come_back(address, ours), 401, "INVALID_INSTALL")

    ours, address = await at.begin(shop)
    await rows(
        at,
        "UPDATE install_states SET expires_at = now() WHERE shop_domain = :shop RETURNING 1",
        shop=shop,
    )
    refused(await at.come_back(address, ours), 401, "INVALID_INSTALL")
    for domain in (shop, other):
        await is_not_there(at, domain)


async def test_a_shop_that_grants_too_little_is_not_taken_in(at: Shopify) -> None:
    shop = new_shop()
    at.admin.grants.withhold(shop, "write_discounts", "read_orders")
    ours, address = await at.begin(shop)
    back = await at.come_back(address, ours)
    refused(back, 422, "MISSING_SCOPES")
    assert "read_orders, write_discounts" in back.json()["detail"]
    refused(await at.log_in(shop), 422, "MISSING_SCOPES")
    await is_not_there(at, shop)
    at.admin.grants.withhold(shop)
    await at.install(shop)


def nonsense() -> Response[Any]:
    return Response({"access_token": "t"})


async def test_what_shopify_does_not_answer_rightly_leaves_nothing(at: Shopify) -> None:
    shop = new_shop()
    for answer, status, code in (
        (Response({}, status_code=500), 503, "SHOPIFY_UNAVAILABLE"),
        (Response({}, status_code=429), 503, "SHOPIFY_UNAVAILABLE"),
        (nonsense(), 503, "SHOPIFY_UNAVAILABLE"),
        (Response({"error": "invalid_request"}, status_code=400), 422, "SHOPIFY_REFUSED"),
    ):
        ours, address = await at.begin(shop)
        at.admin.wire.instead.append(answer)
        refused(await at.come_back(address, ours), status, code)
    at.admin.wire.instead.append(nonsense())
    refused(await at.log_in(shop), 503, "SHOPIFY_UNAVAILABLE")
    await is_not_there(at, shop)


async def test_a_log_in_takes_the_shop_in_and_its_first_user_owns_it(at: Shopify) -> None:
    shop = new_shop()
    before = at.asked("urn:ietf:params:oauth:grant-type:token-exchange")
    first = await at.log_in(shop, "11")
    assert first.status_code == 200, first.text
    merchant = await at.merchant(shop)
    said = await claims(at, first.json()["token"])
    assert (said.audience, said.subject, said.merchant_id, said.role) == (
        "merchant", "staff:11", merchant.merchant_id, "owner",
    )  # fmt: skip
    assert at.holds(await at.access(merchant))

    second = await at.log_in(shop, "12")
    assert (await claims(at, second.json()["token"])).role == "viewer"
    assert at.asked("urn:ietf:params:oauth:grant-type:token-exchange") == before + 1

    # The token is good at the gateway, and what it is good for is the role's.
    assert (await at.edge.get("/v1/api/roles", first.json()["token"])).status_code == 200
    refused(await at.edge.get("/v1/api/roles", second.json()["token"]), 403, "FORBIDDEN")
    assign = roles.AssignRole(subject="staff:12", role="manager")
    caller = service_caller("test", merchant.merchant_id)
    await mesh_of(at.process).call(roles.ASSIGN_ROLE, assign, caller)
    assert (await claims(at, (await at.log_in(shop, "12")).json()["token"])).role == "manager"
    await eventually(
        lambda: at.edge.get("/v1/api/roles", second.json()["token"]),
        lambda answer: answer.status_code == 200,
    )

    pair = first.json()
    again = await at.edge.http.post(
        "/v1/api/auth/refresh", json={"refresh_token": pair["refresh_token"]}
    )
    assert (await claims(at, again.json()["token"])).subject == "staff:11"


async def test_many_log_in_at_once_to_a_new_shop_which_has_one_owner(at: Shopify) -> None:
    shop = new_shop()
    exchanges = at.asked("urn:ietf:params:oauth:grant-type:token-exchange")
    answers = await asyncio.gather(*(at.log_in(shop, str(user)) for user in range(20, 28)))
    assert [answer.status_code for answer in answers] == [200] * 8
    held = [await claims(at, answer.json()["token"]) for answer in answers]
    assert sorted(each.role for each in held) == ["owner", *["viewer"] * 7]
    assert len({each.merchant_id for each in held}) == 1
    assert at.asked("urn:ietf:params:oauth:grant-type:token-exchange") == exchanges + 1


async def test_a_session_token_counts_for_one_log_in(at: Shopify) -> None:
    shop = new_shop()
    token = at.session_token(shop)
    answers = await asyncio.gather(*(at.with_token("/v1/api/auth/login", token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    late = await at.with_token("/v1/api/auth/login", token)
    refused(late, 401, "INVALID_SESSION_TOKEN")
    assert late.headers[RETRY] == "1"
    # Another shop may have a token of the same id.
    jti = {"jti": "one id for both"}
    assert (await at.log_in(new_shop(), **jti)).status_code == 200
    assert (await at.log_in(new_shop(), **jti)).status_code == 200
    refused(await at.log_in(shop, jti=""), 401, "INVALID_SESSION_TOKEN")


async def test_a_bad_session_token_is_answered_so_that_app_bridge_tries_again(at: Shopify) -> None:
    shop = new_shop()
    good = at.session_token(shop)
    bad = [
        "nonsense", at.extension_token(shop, "5"), at.session_token("evil.example"),
        at.session_token(shop, aud="another-app"), at.session_token(shop, exp=None),
        at.session_token(shop, iss=f"https://{new_shop()}/admin"), good[:-2] + "xx",
    ]  # fmt: skip
    for token in bad:
        answer = await at.with_token("/v1/api/auth/login", token)
        refused(answer, 401, "INVALID_SESSION_TOKEN")
        assert (answer.headers[RETRY], answer.headers["www-authenticate"]) == ("1", "Bearer")
    for headers in ({}, {"Authorization": "Basic " + good}, {"Authorization": "Bearer"}):
        answer = await at.edge.http.post("/v1/api/auth/login", headers=headers)
        refused(answer, 401, "INVALID_SESSION_TOKEN")
    # A token of ours is none of Shopify's.
    ours = (await at.log_in(shop)).json()["token"]
    refused(await at.with_token("/v1/api/auth/login", ours), 401, "INVALID_SESSION_TOKEN")


async def test_a_session_token_signed_with_the_secret_before_is_good(at: Shopify) -> None:
    shop = new_shop()
    await at.install(shop)
    before = at.app._replace(secret=BEFORE)
    at.admin.grants.app, now = before, at.admin.grants.app
    try:
        token = at.session_token(shop)
    finally:
        at.admin.grants.app = now
    assert (await at.with_token("/v1/api/auth/login", token)).status_code == 200


async def test_a_shop_that_we_suspended_does_not_let_itself_in(at: Shopify) -> None:
    shop = new_shop()
    merchant = await at.install(shop)
    staff = Caller(audience=Audience.ADMIN, actor="9", permissions=("admin:full",))
    why = ChangeSuspension(shop_domain=shop, reason="does not pay for two months")
    await mesh_of(at.process).call(SUSPEND_MERCHANT, why, staff)
    refused(await at.log_in(shop), 404, "NOT_FOUND")
    with pytest.raises(NotFound):
        await at.access(merchant)
    await at.install(shop)
    assert (await at.merchant(shop)).status == "suspended"


async def test_the_development_token_still_works(at: Shopify) -> None:
    shop = new_shop()
    await at.install(shop)
    token = await at.edge.token("owner", shop=shop)
    assert (await claims(at, token)).role == "owner"
    for bad in ("a.b.c", token + "x"):
        with pytest.raises(Unauthenticated):
            await claims(at, bad)
