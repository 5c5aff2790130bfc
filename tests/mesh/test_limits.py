"""Rate limits at gateways: whose they are, who shares them, and how it is without Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from adapters.http.source import Sources
from adapters.runtime.host import Process
from adapters.runtime.settings import Settings
from adapters.valkey import limits
from contracts.auth import REGISTER_MERCHANT, RegisterMerchant
from contracts.caller import service_caller
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge, shopify_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

BALANCE = "/v1/api/points/balance"
PROGRESS = "/v1/api/referrals/progress"
OTHER_SHOP = "limited-store.myshopify.com"


@pytest.fixture(scope="module", autouse=True)
def _patience() -> Iterator[None]:
    """A gateway soon counts for itself where Valkey does not answer. On a busy machine that is too
    soon for tests of what is counted together; tests/ports/test_limits.py is about how soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "PATIENCE_SECONDS", 2.0)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(run: Run) -> AsyncIterator[tuple[Edge, Edge]]:
    """Two gateways, at 1 percent of what is declared, who believe this machine's word on where a
    request comes from: 12 requests a shop, 1 a member, 6 a visitor, 60 an address, in a minute."""
    async with (
        run(
            "api_gateway", "auth", "roles", "points",
            rate_limit_percent="1", trusted_proxies="127.0.0.1",
        ) as one,
        run("api_gateway", rate_limit_percent="1", trusted_proxies="127.0.0.1") as other,
    ):  # fmt: skip
        both = Edge(one), Edge(other)
        await both[0].world.mesh.call(
            REGISTER_MERCHANT,
            RegisterMerchant(shop_domain=OTHER_SHOP, time_zone="UTC"),
            service_caller("test"),
        )
        yield both
        for each in both:
            await each.http.aclose()


async def ask(edge: Edge, token: str, address: str, path: str = BALANCE) -> httpx.Response:
    headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await edge.http.get(path, params={"shopify_customer_id": "1"}, headers=headers)


def policies(header: str) -> dict[str, dict[str, int]]:
    """``"shop";q=12;w=60`` and so on, as the IETF's draft has it."""
    found = {}
    for item in header.split(", "):
        name, *pairs = item.split(";")
        found[name.strip('"')] = {key: int(value) for key, value in (p.split("=") for p in pairs)}
    return found


async def test_a_shop_has_so_much_of_each_operation_at_all_gateways_together(
    gateways: tuple[Edge, Edge],
) -> None:
    one, other = gateways
    owner, viewer = await one.token(), await one.token("viewer")
    answers = await asyncio.gather(
        *(
            ask(edge, token, f"203.0.113.{number}")
            for number, (edge, token) in enumerate(
                [(one, owner), (other, owner), (one, viewer), (other, viewer)] * 5
            )
        )
    )
    refused = [each for each in answers if each.status_code == 429]
    assert len(refused) == 8
    for each in refused:
        assert each.json()["code"] == "RATE_LIMIT_EXCEEDED"
        assert 1 <= int(each.headers["retry-after"]) <= 5
        assert each.headers["ratelimit-remaining"] == "0"
    elsewhere = await ask(one, owner, "203.0.113.1", "/v1/api/points/history")
    assert elsewhere.status_code != 429
    assert elsewhere.headers["ratelimit-remaining"] == "11"
    neighbour = await ask(one, await one.token(shop=OTHER_SHOP), "203.0.113.1")
    assert neighbour.status_code == 404


async def test_what_is_left_is_told(gateways: tuple[Edge, Edge]) -> None:
    token = await gateways[0].token(shop=OTHER_SHOP)
    answer = await ask(gateways[0], token, "198.51.100.1", "/v1/api/points/history")
    headers = answer.headers
    assert policies(headers["ratelimit-policy"]) == {
        "shop": {"q": 12, "w": 60},
        "address": {"q": 60, "w": 60},
    }
    told = policies(headers["ratelimit"])
    assert (told["shop"]["r"], told["address"]["r"]) == (11, 59)
    assert 0 < told["address"]["t"] <= told["shop"]["t"] <= 5
    assert headers["ratelimit-limit"] == "12"
    assert headers["ratelimit-remaining"] == "11"
    assert headers["ratelimit-reset"] == str(told["shop"]["t"])
    assert "retry-after" not in headers


async def test_waiting_as_long_as_was_said_helps(gateways: tuple[Edge, Edge]) -> None:
    member = await gateways[0].token("customer", "4711")
    assert (await ask(gateways[0], member, "198.51.100.2")).status_code != 429
    refused = await ask(gateways[0], member, "198.51.100.2")
    assert (refused.status_code, refused.headers["ratelimit-limit"]) == (429, "1")
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    another = await gateways[0].token("customer", "4712")
    assert (await ask(gateways[0], another, "198.51.100.2")).status_code != 429
    assert "shop-members" in policies(refused.headers["ratelimit-policy"])


async def test_an_address_has_so_much_of_everything(gateways: tuple[Edge, Edge]) -> None:
    one, _ = gateways
    wrong = [await ask(one, "nonsense", "2001:db8:7::1") for _ in range(7)]
    assert [each.status_code for each in wrong] == [401] * 6 + [429]
    statuses = []
    # Another of the same connection's addresses, and everything else that there is.
    for path in (
        "/", "/v1/api/roles", "/v1/api/tasks", "/v1/api/products", "/v1/api/core/members",
        "/v1/api/users", "/v1/api/audit", "/v1/api/core/usage", "/v1/api/core/settings",
        PROGRESS,
    ):  # fmt: skip
        found = [await ask(one, "nonsense", "2001:db8:7::2", path) for _ in range(6)]
        statuses += [each.status_code for each in found]
    assert statuses.count(429) == 6
    assert (await ask(one, "nonsense", "2001:db8:8::1")).status_code == 401


async def test_no_address_is_kept_or_said_in_the_clear(
    gateways: tuple[Edge, Edge], caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = gateways
    await ask(one, await one.token(), "192.0.2.99", "/v1/api/points/history")
    valkey = one.world.valkey
    keys = [key.decode() async for key in valkey.scan_iter("limit:*")]
    mark = (
        Sources(one.world.settings.app_secrets[0], one.world.settings.proxies)
        .of("192.0.2.99", "")
        .mark
    )
    assert f"limit:address:{mark}" in keys
    assert not any("192.0.2" in key or "203.0.113" in key for key in keys)
    assert all([await valkey.pttl(key) > 0 for key in keys if key.startswith("limit:address")])
    assert "192.0.2.99" not in caplog.text


async def test_webhooks_are_never_too_many(gateways: tuple[Edge, Edge]) -> None:
    one, _ = gateways
    answers = await asyncio.gather(
        *(one.deliver("orders/create", shopify_order(3000 + number, None)) for number in range(100))
    )
    assert {each.status_code for each in answers} == {200}
    assert "ratelimit" not in answers[0].headers


async def test_a_flood_is_stopped_whatever_it_asks_for(run: Run) -> None:
    async with run("api_gateway", "auth", address_per_second="20") as process:
        edge = Edge(process)
        answers = await asyncio.gather(*(edge.deliver("orders/create", b"{}") for _ in range(60)))
        refused = [each for each in answers if each.status_code == 429]
        assert len(refused) >= 20
        assert refused[0].headers["retry-after"] == "1"

        async def served() -> bool:
            return (await edge.get("/health")).status_code == 200

        await eventually(served)
        await edge.http.aclose()


async def test_without_valkey_each_gateway_counts_for_itself(tmp_path: Path) -> None:
    async with Servers(tmp_path) as own:
        settings = own.environment() | {
            "LOYALNEST_DEMO": "1",
            "LOYALNEST_HTTP_PORT": str(free_port(set())),
            "LOYALNEST_OPS_PORT": str(free_port(set())),
            "LOYALNEST_RATE_LIMIT_PERCENT": "1",
        }
        process = Process(["api_gateway", "auth", "points"], Settings.from_environment(settings))
        await process.start()
        edge = Edge(process)
        await edge.deliver("orders/create", shopify_order(1, None))
        token = await edge.token()
        await ask(edge, token, "")
        await own.kill("valkey")
        started = time.perf_counter()
        found = [await ask(edge, token, "") for _ in range(13)]
        assert [each.status_code for each in found] == [404] * 12 + [429]
        assert time.perf_counter() - started < 3  # nobody waits for what is not there
        await own.start("valkey")

        async def counted_together() -> bool:
            await ask(edge, await edge.token("viewer"), "", "/v1/api/points/history")
            return bool([key async for key in edge.world.valkey.scan_iter("limit:shop:*")])

        await eventually(counted_together, ignore=[Exception])
        await edge.http.aclose()
        await process.stop()
