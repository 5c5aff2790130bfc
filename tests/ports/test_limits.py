"""One suite for everything that keeps buckets, and what a Valkey that is away does to nobody."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from adapters.memory.limits import MOST_BUCKETS, MemoryLimits
from adapters.valkey.limits import PATIENCE_SECONDS, RULE, ValkeyLimits
from domain.errors import Unavailable
from domain.limits import Drawn, Rate, draw
from infra.embedded.servers import Servers
from ports.limits import Bucket, Limits


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    home: Path = tmp_path_factory.mktemp("valkey")
    async with Servers(home, names=["valkey"]) as running:
        yield running


@pytest_asyncio.fixture
async def valkey(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.environment()["LOYALNEST_VALKEY_URL"], socket_timeout=2)
    yield client
    await client.aclose()


@pytest.fixture(params=["valkey", "memory"])
def limits(request: pytest.FixtureRequest, valkey: Redis) -> Limits:
    return ValkeyLimits(valkey) if request.param == "valkey" else MemoryLimits()


def bucket(requests: int, seconds: int = 60) -> Bucket:
    return Bucket(f"limit:test:{uuid4()}", Rate(requests, seconds))


async def drawn(limits: Limits, *buckets: Bucket) -> Drawn:
    """Drawn, however long a busy machine takes: longer, perhaps, than a gateway would wait."""
    while True:
        try:
            return await limits.draw(buckets)
        except Unavailable:
            assert isinstance(limits, ValkeyLimits)
            await limits.probe()


async def test_a_bucket_lets_through_what_it_holds(limits: Limits) -> None:
    one = bucket(3)
    found = [await drawn(limits, one) for _ in range(4)]
    assert [each.admitted for each in found] == [True, True, True, False]
    assert [each.levels[0].remaining for each in found] == [2, 1, 0, 0]
    refused = found[3].levels[0]
    assert 0 < refused.wait <= 20_000_000
    assert refused.wait < refused.full_in <= 60_000_000


async def test_it_fills_again(limits: Limits) -> None:
    one = bucket(20, 1)
    while (last := await drawn(limits, one)).admitted:
        pass
    await asyncio.sleep(last.levels[0].wait / 1e6 + 0.001)
    assert (await drawn(limits, one)).admitted


async def test_all_or_none(limits: Limits) -> None:
    wide, narrow = bucket(10), bucket(1)
    assert (await drawn(limits, wide, narrow)).admitted
    for _ in range(3):
        refused = await drawn(limits, wide, narrow)
        assert (refused.admitted, refused.tightest.rate) == (False, narrow.rate)
        assert [each.wait > 0 for each in refused.levels] == [False, True]
    assert (await drawn(limits, wide)).levels[0].remaining == 8


async def test_those_who_come_at_once_share_what_there_is(limits: Limits) -> None:
    shared, others = bucket(40), [bucket(3) for _ in range(3)]
    for each in (shared, *others):  # connected, and the script known
        await drawn(limits, each)
    found = await asyncio.gather(
        *(drawn(limits, shared) for _ in range(150)),
        *(drawn(limits, other) for other in others for _ in range(4)),
    )
    assert sum(each.admitted for each in found[:150]) == 39
    for number in range(3):
        own = found[150 + 4 * number : 154 + 4 * number]
        assert sum(each.admitted for each in own) == 2


async def test_two_gateways_share_a_bucket(valkey: Redis) -> None:
    one, other, shared = ValkeyLimits(valkey), ValkeyLimits(valkey), bucket(10)
    found = await asyncio.gather(*(drawn(each, shared) for each in (one, other) for _ in range(15)))
    assert sum(each.admitted for each in found) == 10


async def test_the_script_does_what_the_rule_says(valkey: Redis) -> None:
    """Two implementations of one rule, the same numbers for the same moments."""
    script = valkey.register_script("local now = tonumber(table.remove(ARGV))\n" + RULE)
    random, now = Random(7), 1_800_000_000_000_000
    buckets = [bucket(random.randint(1, 8), random.randint(1, 5)) for _ in range(4)]
    known = dict.fromkeys(buckets, 0)
    for _ in range(400):
        now += random.choice((0, 1, 1000, 200_000, 3_000_000))
        asked = random.sample(buckets, random.randint(1, 3))
        rates = [each.rate for each in asked]
        arguments: list[int] = [len(asked)]
        for rate in rates:
            arguments += (rate.interval, rate.capacity)
        admitted, *full_in = await script(keys=[each.key for each in asked], args=[*arguments, now])
        expected, full_at = draw(rates, [known[each] for each in asked], now)
        assert bool(admitted) == expected.admitted
        assert full_in == [at - now for at in full_at]
        known |= dict(zip(asked, full_at, strict=True))
        # Valkey's own clock, by which keys go, is another than this made-up one.
        for each in asked:
            await valkey.persist(each.key)


async def test_buckets_go_by_themselves_once_they_are_full(valkey: Redis) -> None:
    one = bucket(100, 60)
    await drawn(ValkeyLimits(valkey), one)
    assert 0 < await valkey.pttl(one.key) <= 600


async def test_a_valkey_that_forgot_the_script_learns_it_again(valkey: Redis) -> None:
    limits, one = ValkeyLimits(valkey), bucket(5)
    await drawn(limits, one)
    await valkey.script_flush()
    assert (await limits.draw([one])).levels[0].remaining == 3


async def test_a_valkey_that_hangs_costs_one_wait_and_comes_back_by_itself(valkey: Redis) -> None:
    limits, one = ValkeyLimits(valkey), bucket(1000)
    await drawn(limits, one)
    await valkey.client_pause(1500)
    started = time.perf_counter()
    found = await asyncio.gather(*(limits.draw([one]) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in found)
    assert time.perf_counter() - started < 20 * PATIENCE_SECONDS
    started = time.perf_counter()
    for _ in range(500):
        with pytest.raises(Unavailable):
            await limits.draw([one])
    assert time.perf_counter() - started < 20 * PATIENCE_SECONDS
    while True:
        await limits.probe()
        try:
            assert (await limits.draw([one])).admitted
            return
        except Unavailable:
            await asyncio.sleep(0.02)


async def test_a_valkey_that_is_gone_or_full_is_unavailable(valkey: Redis) -> None:
    gone = ValkeyLimits(Redis(port=1, socket_connect_timeout=1))
    with pytest.raises(Unavailable):
        await gone.draw([bucket(1)])
    await gone.probe()
    with pytest.raises(Unavailable):
        await gone.draw([bucket(1)])
    full, one = ValkeyLimits(valkey), bucket(10)
    await drawn(full, one)
    await valkey.config_set("maxmemory", "1")
    try:
        with pytest.raises(Unavailable):
            await full.draw([one])
    finally:
        await valkey.config_set("maxmemory", "0")


async def test_whoever_leaves_while_waiting_harms_nobody(valkey: Redis) -> None:
    limits, one = ValkeyLimits(valkey), bucket(100)
    await drawn(limits, one)
    tasks = [asyncio.create_task(limits.draw([one])) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, Drawn) for each in found[1::2])
    assert (await drawn(limits, one)).admitted


async def test_memory_is_bounded_and_keeps_what_is_drawn_on_last() -> None:
    now = 10**18
    limits, rate = MemoryLimits(lambda: now), Rate(5, 60)
    for number in range(MOST_BUCKETS + 1):
        assert limits.admits(str(number), rate)
    assert _size(limits) <= MOST_BUCKETS
    last = await limits.draw([Bucket(str(MOST_BUCKETS), rate)])
    assert last.levels[0].remaining == 3


async def test_a_mere_yes_is_drawn_from_the_same_bucket() -> None:
    now = 10**18
    limits, rate = MemoryLimits(lambda: now), Rate(3, 60)
    assert limits.admits("one", rate)
    assert (await limits.draw([Bucket("one", rate)])).levels[0].remaining == 1
    assert limits.admits("one", rate)
    assert not limits.admits("one", rate)
    assert not (await limits.draw([Bucket("one", rate)])).admitted
    now += 20 * 10**9
    assert limits.admits("one", rate)
    assert not limits.admits("one", rate)


def _size(limits: MemoryLimits) -> int:
    known: dict[str, Any] = limits._full_at
    return len(known)
