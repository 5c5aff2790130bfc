"""The demo shop's admin refuses what Shopify refuses, over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import msgspec
import pytest

from infra.demo_shop.admin.browser import browser_routes
from infra.demo_shop.admin.credentials import (
    App,
    extension_token,
    proxied_query,
    session_token,
    signed_query,
)
from infra.demo_shop.admin.grants import RETRY_WINDOW, Grants, Memory, Pair, Refused
from infra.demo_shop.admin.oauth import TOKEN_EXCHANGE, Wire, oauth_routes
from infra.demo_shop.admin.scopes import normal, scopes_in
from infra.demo_shop.admin.server import web

SECRET = "hush, nobody is to know this at all"
APP = App("client", SECRET, ("read_orders", "write_customers"))
SHOP = "one.myshopify.com"
CALLBACK = "http://127.0.0.1:1/back"


class Moving:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
def grants(clock: Moving) -> Grants:
    return Grants(APP, now=clock)


@pytest.fixture
async def http(grants: Grants) -> AsyncIterator[httpx.AsyncClient]:
    # Without sockets: those are for the tests of the whole way in, tests/mesh/test_installing.py.
    application = web([*oauth_routes(grants, [CALLBACK], Wire()), *browser_routes(grants)])
    transport = httpx.ASGITransport(application)  # type: ignore[arg-type]  # two spellings of ASGI's types
    async with httpx.AsyncClient(
        transport=transport, base_url=f"http://admin.test/{SHOP}"
    ) as client:
        yield client


async def authorize(http: httpx.AsyncClient, **changes: str) -> httpx.Response:
    asked = {
        "client_id": "client",
        "scope": "read_orders",
        "redirect_uri": CALLBACK,
        "state": "s1",
    }
    return await http.get("/admin/oauth/authorize", params=asked | changes)


async def tokens(http: httpx.AsyncClient, **asked: object) -> httpx.Response:
    who = {"client_id": "client", "client_secret": SECRET, "expiring": 1}
    return await http.post("/admin/oauth/access_token", json=who | asked)


def exchange(token: str) -> dict[str, object]:
    return {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
    }


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


async def test_a_code_is_given_signed_and_exchanged_once(
    http: httpx.AsyncClient, grants: Grants
) -> None:
    sent_back = await authorize(http, scope="read_orders,write_customers,read_customers")
    assert sent_back.status_code == 302
    address = sent_back.headers["location"]
    query = dict(parse_qsl(urlsplit(address).query))
    assert address.startswith(f"{CALLBACK}?")
    assert (query["shop"], query["state"]) == (SHOP, "s1")
    given = query.pop("hmac")
    assert dict(parse_qsl(signed_query(APP, query)))["hmac"] == given

    answer = await tokens(http, code=query["code"])
    pair = answer.json()
    assert (pair["scope"], pair["expires_in"]) == ("read_orders,write_customers", 3600)
    assert pair["refresh_token_expires_in"] == 90 * 24 * 3600
    assert "read_customers" in grants.check(SHOP, pair["access_token"])
    assert error_of(await tokens(http, code=query["code"])) == (400, "invalid_request")


async def test_a_code_counts_in_its_shop_and_for_a_minute(
    http: httpx.AsyncClient, grants: Grants, clock: Moving
) -> None:
    code = grants.approve("two.myshopify.com", ["read_orders"])
    assert error_of(await tokens(http, code=code)) == (400, "invalid_request")
    code = grants.approve(SHOP, ["read_orders"])
    clock.at += timedelta(seconds=60)
    assert error_of(await tokens(http, code=code)) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_id": "another"}, 400, "invalid_client"),
        ({"redirect_uri": "http://evil.example/back"}, 400, "invalid_request"),
        ({"state": ""}, 400, "invalid_request"),
        ({"scope": "read_orders,read_minds"}, 400, "invalid_scope"),
    ],
)
async def test_nobody_is_sent_back_with_a_code_for_a_wrong_question(
    http: httpx.AsyncClient, changes: dict[str, str], status: int, error: str
) -> None:
    assert error_of(await authorize(http, **changes)) == (status, error)


async def test_only_the_app_gets_tokens_and_only_such_as_expire(
    http: httpx.AsyncClient, grants: Grants
) -> None:
    code = grants.approve(SHOP, ["read_orders"])
    assert error_of(
        await tokens(http, code=code, client_secret="another secret, just as long as the one")
    ) == (401, "invalid_client")
    assert error_of(await tokens(http, code=code, client_id="other")) == (401, "invalid_client")
    assert error_of(await tokens(http, code=code, expiring=0)) == (400, "invalid_request")
    assert error_of(await tokens(http, grant_type="password")) == (400, "unsupported_grant_type")
    nowhere = await http.post("/../evil.example/admin/oauth/access_token", json={})
    assert nowhere.status_code == 404
    garbage = await http.post(
        "/admin/oauth/access_token", content=b"[", headers={"Content-Type": "application/json"}
    )
    assert error_of(garbage) == (400, "invalid_request")
    # None of that has used the code up; a form does as well as JSON.
    form = {"client_id": "client", "client_secret": SECRET, "expiring": "1", "code": code}
    assert (await http.post("/admin/oauth/access_token", data=form)).status_code == 200


async def test_a_session_token_is_exchanged_for_what_the_app_is_configured_with(
    http: httpx.AsyncClient, grants: Grants, clock: Moving
) -> None:
    token = session_token(APP, SHOP, "7", clock())
    assert (await tokens(http, **exchange(token))).json()["scope"] == "read_orders,write_customers"
    grants.withhold(SHOP, "write_customers")
    assert (await tokens(http, **exchange(token))).json()["scope"] == "read_orders"

    bad = [
        session_token(APP, "two.myshopify.com", "7", clock()),
        session_token(
            APP._replace(secret="another secret, just as long as the one"), SHOP, "7", clock()
        ),
        session_token(APP._replace(client_id="other"), SHOP, "7", clock()),
        session_token(APP, SHOP, "7", clock() - timedelta(seconds=75)),
        extension_token(APP, SHOP, "7", clock()),
        "nonsense",
    ]
    for each in bad:
        assert error_of(await tokens(http, **exchange(each))) == (400, "invalid_subject_token")
    online = exchange(token) | {
        "requested_token_type": "urn:shopify:params:oauth:token-type:online-access-token"
    }
    assert error_of(await tokens(http, **online)) == (400, "invalid_request")


async def refreshed(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await tokens(http, grant_type="refresh_token", refresh_token=token)


async def first_pair(http: httpx.AsyncClient, grants: Grants) -> dict[str, Any]:
    answer = await tokens(http, code=grants.approve(SHOP, ["read_orders"]))
    pair: dict[str, Any] = answer.json()
    return pair


async def test_a_refresh_token_rotates_and_is_retired_with_the_next(
    http: httpx.AsyncClient, grants: Grants
) -> None:
    first = await first_pair(http, grants)
    second = (await refreshed(http, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    # The answer may have been lost: the same question gets it again.
    again = (await refreshed(http, first["refresh_token"])).json()
    assert again["refresh_token"] == second["refresh_token"]
    assert again["access_token"] == second["access_token"]
    third = (await refreshed(http, second["refresh_token"])).json()
    assert error_of(await refreshed(http, first["refresh_token"])) == (400, "invalid_grant")
    assert (await refreshed(http, third["refresh_token"])).status_code == 200


async def test_lost_answers_are_given_again_for_a_month_only(
    http: httpx.AsyncClient, grants: Grants, clock: Moving
) -> None:
    first = await first_pair(http, grants)
    await refreshed(http, first["refresh_token"])
    clock.at += RETRY_WINDOW - timedelta(seconds=1)
    again = (await refreshed(http, first["refresh_token"])).json()
    assert again["expires_in"] == 3600
    clock.at += timedelta(seconds=1)
    assert error_of(await refreshed(http, first["refresh_token"])) == (400, "invalid_grant")


async def test_tokens_end_by_time_by_a_new_grant_and_with_the_app(
    http: httpx.AsyncClient, grants: Grants, clock: Moving
) -> None:
    def holds(pair: dict[str, Any]) -> bool:
        try:
            grants.check(SHOP, pair["access_token"])
        except Refused as refusal:
            return refusal.error != "invalid_token"  # refused for that, and for nothing else
        return True

    first = await first_pair(http, grants)
    assert holds(first)
    second = await first_pair(http, grants)
    assert (holds(first), holds(second)) == (False, True)
    assert error_of(await refreshed(http, first["refresh_token"])) == (400, "invalid_grant")
    clock.at += timedelta(hours=1)
    assert not holds(second)
    clock.at += timedelta(days=90)
    assert error_of(await refreshed(http, second["refresh_token"])) == (400, "invalid_grant")

    third = await first_pair(http, grants)
    code = grants.approve(SHOP, ["read_orders"])
    grants.uninstall(SHOP)
    assert not holds(third)
    assert error_of(await refreshed(http, third["refresh_token"])) == (400, "invalid_grant")
    assert error_of(await tokens(http, code=code)) == (400, "invalid_request")


async def test_what_is_remembered_can_be_written_down(clock: Moving) -> None:
    kept: list[bytes] = []
    grants = Grants(APP, changed=lambda memory: kept.append(msgspec.json.encode(memory)), now=clock)
    pair: Pair = grants.by_code(SHOP, grants.approve(SHOP, ["read_orders"]))
    again = Grants(APP, memory=msgspec.json.decode(kept[-1], type=Memory), now=clock)
    assert again.check(SHOP, pair.access_token) == {"read_orders"}


async def test_browsers_are_given_what_the_app_will_ask_for(
    http: httpx.AsyncClient, clock: Moving
) -> None:
    session = (await http.get("/session-token", params={"user": "9"})).text
    claims = jwt.decode(session, SECRET, algorithms=["HS256"], audience="client")
    assert (claims["iss"], claims["sub"]) == (f"https://{SHOP}/admin", "9")
    extension = (await http.get("/extension-token", params={"customer": "5"})).text
    claims = jwt.decode(extension, SECRET, algorithms=["HS256"], audience="client")
    assert (claims["dest"], claims["sub"]) == (SHOP, "gid://shopify/Customer/5")
    query = (await http.get("/proxied-query", params={"customer": "5"})).text
    assert query == proxied_query(APP, SHOP, "5", clock())


def test_scopes_are_spelled_like_shopify_spells_them() -> None:
    assert normal(["read_a", "write_a", "read_b"]) == ("read_b", "write_a")
    assert scopes_in(["write_a"]) == {"read_a", "write_a"}
