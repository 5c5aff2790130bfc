"""Which pages may call the edge, and which may show ours in a frame: for each shop its own."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from contracts.auth import REGISTER_MERCHANT, RegisterMerchant
from contracts.caller import service_caller
from tests.conftest import Run
from tests.mesh.edge import SHOP, Edge

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMBERS_MAY = "/v1/api/points/balance"
STAFF_MAY = "/v1/api/core/settings"
OTHER_SHOP = "framed-store.myshopify.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(run: Run) -> AsyncIterator[Edge]:
    async with run("api_gateway", "auth", "roles", "points", "core", "frontend") as process:
        one = Edge(process)
        for domain in (SHOP, OTHER_SHOP):
            await one.world.mesh.call(
                REGISTER_MERCHANT,
                RegisterMerchant(shop_domain=domain, time_zone="UTC"),
                service_caller("test"),
            )
        yield one
        await one.http.aclose()


async def preflight(edge: Edge, path: str, origin: str, method: str = "GET") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, idempotency-key",
    }
    return await edge.http.options(path, headers=headers)


async def call(edge: Edge, path: str, origin: str, token: str = "") -> httpx.Response:
    headers = {"Origin": origin} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await edge.http.get(path, headers=headers)


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        (STAFF_MAY, f"https://{SHOP}", f"https://{SHOP}"),
        (STAFF_MAY, f"https://{OTHER_SHOP}", f"https://{OTHER_SHOP}"),
        (STAFF_MAY, "https://admin.shopify.com", "https://admin.shopify.com"),
        (STAFF_MAY, "https://extensions.shopifycdn.com", "https://extensions.shopifycdn.com"),
        (STAFF_MAY, f"http://{SHOP}", None),
        (STAFF_MAY, f"https://{SHOP}:8443", None),
        (STAFF_MAY, f"https://{SHOP}.evil.example", None),
        (STAFF_MAY, f"https://evil.example/{SHOP}", None),
        (STAFF_MAY, "https://stranger.myshopify.com", None),
        (STAFF_MAY, "https://evil.example", None),
        (STAFF_MAY, "null", None),
        (STAFF_MAY, "https://", None),
        (MEMBERS_MAY, "null", "*"),
        (MEMBERS_MAY, "https://www.a-shop-with-a-domain.example", "*"),
    ],
)
async def test_before_a_call_only_known_pages_are_told_to_go_on(
    edge: Edge, path: str, origin: str, allowed: str | None
) -> None:
    answer = await preflight(edge, path, origin)
    assert answer.status_code == 204
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert "access-control-allow-credentials" not in answer.headers
    if allowed:
        assert "GET" in answer.headers["access-control-allow-methods"]
        assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]
        assert answer.headers["vary"] == "Origin"


async def test_an_answer_is_for_pages_of_the_tokens_own_shop(edge: Edge) -> None:
    token = await edge.token()
    for origin, allowed in (
        (f"https://{SHOP}", f"https://{SHOP}"),
        ("https://admin.shopify.com", "https://admin.shopify.com"),
        (f"https://{OTHER_SHOP}", None),
        ("https://evil.example", None),
    ):
        answer = await call(edge, STAFF_MAY, origin, token)
        assert answer.status_code == 200
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert answer.headers["vary"] == "Origin"
        if allowed:
            exposed = answer.headers["access-control-expose-headers"]
            assert {"RateLimit", "Retry-After", "X-Request-Id"} <= set(exposed.split(", "))
    assert "access-control-allow-origin" not in (await edge.get(STAFF_MAY, token)).headers


async def test_a_page_can_read_why_it_was_refused(edge: Edge) -> None:
    for path, origin, allowed in (
        (STAFF_MAY, f"https://{SHOP}", f"https://{SHOP}"),
        (MEMBERS_MAY, "https://anywhere.example", "*"),
    ):
        answer = await call(edge, path, origin, "nonsense")
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
        assert answer.headers["access-control-allow-origin"] == allowed


async def test_a_page_is_framed_by_its_shop_and_nobody_else(edge: Edge) -> None:
    for query, ancestors in (
        ("", "'self'"),
        (f"?shop={SHOP}", f"https://{SHOP} https://admin.shopify.com"),
        (f"?shop={SHOP.upper()}", f"https://{SHOP} https://admin.shopify.com"),
        (f"?shop={OTHER_SHOP}&host=YWRtaW4&embedded=1&id_token=x", f"https://{OTHER_SHOP} https://admin.shopify.com"),
        ("?shop=stranger.myshopify.com", "'self'"),
        ("?shop=evil.example", "'self'"),
        (f"?shop={SHOP};%20script-src%20*", "'self'"),
        (f"?shop={SHOP}%0d%0aX-Injected:%201", "'self'"),
    ):  # fmt: skip
        answer = await edge.http.get(f"/{query}")
        assert answer.status_code == 200, answer.text
        policy = dict(
            each.strip().split(" ", 1)
            for each in answer.headers["content-security-policy"].split(";")
        )
        assert policy["frame-ancestors"] == ancestors, query
        assert policy["default-src"] == "'self'"
        assert "x-injected" not in answer.headers
        assert "x-frame-options" not in answer.headers
