"""Getting in from Shopify over real HTTP: by consent, by a log-in; out, late news of it, back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
import pytest_asyncio
from litestar import Response
from sqlalchemy import text

from adapters.http.install import BEGIN, CALLBACK, COOKIE
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import auth, installs, roles
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import member_id
from contracts.suspensions import SUSPEND_MERCHANT, ChangeSuspension
from domain.errors import NotFound, Unauthenticated
from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.credentials import proxied_query, signed_query
from tests.conftest import Run, eventually
from tests.mesh.edge import shopify_order
from tests.mesh.said import mesh_of, times_said
from tests.mesh.shopify import TEST, Shopify, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEFORE = "the secret that the app had before it"
RETRY = "x-shopify-retry-invalid-session-request"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    services = ("api_gateway", "auth", "roles", "points")
    async with shopify(run, environment, *services, shopify_previous_client_secret=BEFORE) as one:
        yield one


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def claims(at: Shopify, token: str) -> auth.TokenClaims:
    asked = auth.ValidateToken(token=token)
    return await mesh_of(at.process).call(auth.VALIDATE_TOKEN, asked, TEST)


async def rows(at: Shopify, statement: str, **values: object) -> list[Any]:
    async with at.edge.world.database("auth").transaction(ACROSS_SHOPS) as connection:
        return list(await connection.execute(text(statement), values))


async def is_not_there(at: Shopify, shop: str) -> None:
    with pytest.raises(NotFound):
        await at.merchant(shop)


# --- by consent -----------------------------------------------------------------------------------


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


# --- by a log-in ----------------------------------------------------------------------------------


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


# --- access that is renewed -----------------------------------------------------------------------


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


# --- leaving, and coming back ---------------------------------------------------------------------


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


# --- customers ------------------------------------------------------------------------------------


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


async def test_the_development_token_still_works(at: Shopify) -> None:
    shop = new_shop()
    await at.install(shop)
    token = await at.edge.token("owner", shop=shop)
    assert (await claims(at, token)).role == "owner"
    for bad in ("a.b.c", token + "x"):
        with pytest.raises(Unauthenticated):
            await claims(at, bad)
