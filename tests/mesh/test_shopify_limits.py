"""What shops may be asked at Shopify, counted by all processes together, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from adapters.valkey import shopify_limits
from adapters.valkey.shopify_limits import BULK_LEAVES, MAXIMUM, RATE, ValkeyShopifyLimits
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from ports.shopify_limits import Lane, Level
from tests.conftest import eventually

SOMEBODY = Lane.SOMEBODY_WAITS


@pytest.fixture
async def valkey(servers: Servers) -> AsyncIterator[Redis]:
    async with Redis.from_url(servers.environment()["LOYALNEST_VALKEY_URL"]) as client:
        yield client


@pytest.fixture
def limits(valkey: Redis) -> ValkeyShopifyLimits:
    return ValkeyShopifyLimits(valkey)


@pytest.fixture
def shop() -> UUID:
    return uuid4()


async def test_a_bucket_is_emptied_and_says_when_it_is_full_enough(
    limits: ValkeyShopifyLimits, shop: UUID
) -> None:
    assert await limits.take(shop, MAXIMUM - 100, SOMEBODY) == 0
    assert await limits.take(shop, 100, SOMEBODY) == 0
    wait = await limits.take(shop, 50, SOMEBODY)
    assert 0 < wait <= 50 / RATE
    assert await limits.take(uuid4(), 50, SOMEBODY) == 0  # another shop


async def test_bulk_work_leaves_a_part_to_those_for_whom_somebody_waits(
    limits: ValkeyShopifyLimits, shop: UUID
) -> None:
    assert await limits.take(shop, MAXIMUM * (1 - BULK_LEAVES), Lane.BULK) == 0
    assert await limits.take(shop, 10, Lane.BULK) > 0
    assert await limits.take(shop, MAXIMUM * BULK_LEAVES, SOMEBODY) == 0
    # However much one asks for: a full bucket takes it, or nobody ever could ask.
    assert await limits.take(uuid4(), 10 * MAXIMUM, Lane.BULK) == 0


async def test_shopifys_word_counts(limits: ValkeyShopifyLimits, shop: UUID) -> None:
    # What was taken and not spent comes back.
    assert await limits.take(shop, MAXIMUM, SOMEBODY) == 0
    await limits.settle(shop, MAXIMUM, 10, None)
    assert await limits.take(shop, MAXIMUM - 20, SOMEBODY) == 0
    # A bucket may be emptier than we thought, larger and quicker.
    await limits.settle(shop, 0, 0, Level(available=5, maximum=20_000, rate=1000))
    wait = await limits.take(shop, 5_005, SOMEBODY)
    assert 4 < wait <= 5
    await limits.settle(shop, 0, -30_000, Level(available=20_000, maximum=20_000, rate=1000))
    assert await limits.take(shop, 20_000, SOMEBODY) == 0


async def test_many_processes_share_one_bucket(servers: Servers, shop: UUID) -> None:
    """Of ten that take 40 times each what the bucket holds 50 times, 50 get it, and hardly more."""
    cost = MAXIMUM / 50
    url = servers.environment()["LOYALNEST_VALKEY_URL"]
    clients = [Redis.from_url(url) for _ in range(10)]

    async def one(client: Redis) -> int:
        own = ValkeyShopifyLimits(client)
        return sum([await own.take(shop, cost, SOMEBODY) == 0 for _ in range(40)])

    loop = asyncio.get_running_loop()
    began = loop.time()
    got = sum(await asyncio.gather(*map(one, clients)))
    refilled = (loop.time() - began) * RATE / cost
    for client in clients:
        await client.aclose()
    assert 50 <= got <= 50 + refilled + 1


async def counts(limits: ValkeyShopifyLimits, shop: UUID) -> bool:
    """Whether Valkey is asked, by somebody who takes nothing."""
    assert await limits.take(shop, 0, SOMEBODY) == 0
    return REGISTRY.get_sample_value("loyalnest_shopify_limit_alone") == 0


async def test_without_valkey_shopify_bounds_alone(
    shop: UUID, monkeypatch: pytest.MonkeyPatch, valkey: Redis
) -> None:
    monkeypatch.setattr(shopify_limits, "PROBE_SECONDS", 0.05)
    async with Redis.from_url(f"redis://127.0.0.1:{free_port(set())}") as nowhere:
        limits = ValkeyShopifyLimits(nowhere)
        for _ in range(3):
            assert await limits.take(shop, 10 * MAXIMUM, SOMEBODY) == 0
            await limits.settle(shop, 10, 10, None)
        # It is back: counted again, after the next who looks.
        limits._take, limits._settle = (
            valkey.register_script(shopify_limits.TAKE),
            valkey.register_script(shopify_limits.SETTLE),
        )
        await eventually(lambda: counts(limits, shop))
        assert await limits.take(shop, MAXIMUM, SOMEBODY) == 0
        assert await limits.take(shop, MAXIMUM, SOMEBODY) > 0
