"""``ports.shopify_limits.ShopifyLimits`` in Valkey: a hash for each shop, by Valkey's clock.

What Shopify says counts: after each answer the bucket holds no more than Shopify sees in it. It may
hold less, for the questions that are on their way; what is lost of those comes back with time.

While Valkey is away nothing is counted and Shopify throttles by itself. It is asked again after
``PROBE_SECONDS``, by one question.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.telemetry.metrics import SHOPIFY_LIMIT_ALONE
from ports.shopify_limits import Lane, Level

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 0.25
PROBE_SECONDS: Final = 1.0

MAXIMUM: Final = 2000
RATE: Final = 100
"""A shop on the smallest plan; Shopify's first answer says what it is really."""
BULK_LEAVES: Final = 0.5
"""The part of a bucket that bulk work leaves alone."""
_KEPT_MS: Final = 3_600_000  # any bucket is full by then

_LEVEL: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'available', 'at', 'maximum', 'rate')
local maximum = tonumber(kept[3] or ARGV[1])
local rate = tonumber(kept[4] or ARGV[2])
local available = tonumber(kept[1] or maximum)
local passed = math.max(0, now - tonumber(kept[2] or now)) / 1000000
available = math.min(maximum, available + passed * rate)
"""
_KEEP: Final = """
redis.call('HSET', KEYS[1], 'available', string.format('%.3f', available),
    'at', string.format('%.0f', now), 'maximum', maximum, 'rate', rate)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
"""
TAKE: Final = f"""{_LEVEL}
local cost = math.min(tonumber(ARGV[4]), maximum)
local left = math.min(maximum * tonumber(ARGV[5]), maximum - cost)
if available - cost < left then
    return math.ceil((cost + left - available) / rate * 1000)
end
available = available - cost
{_KEEP}
return 0
"""
"""``ARGV``: what a new bucket is (maximum, rate), how long it is kept (ms), the cost, the part of
the bucket to leave. Answers 0, or the milliseconds to wait."""
SETTLE: Final = f"""{_LEVEL}
available = available + tonumber(ARGV[4])
if ARGV[5] ~= '' then
    maximum = tonumber(ARGV[6])
    rate = tonumber(ARGV[7])
    available = math.min(available, tonumber(ARGV[5]))
end
available = math.max(0, math.min(maximum, available))
{_KEEP}
return 0
"""
"""``ARGV``: as above to the third, what comes back, and what Shopify has told: available (or
nothing), maximum, rate."""


class ValkeyShopifyLimits:
    def __init__(self, valkey: Redis) -> None:
        self._take = valkey.register_script(TAKE)
        self._settle = valkey.register_script(SETTLE)
        self._away_until: float | None = None

    async def take(self, merchant_id: UUID, cost: float, lane: Lane) -> float:
        leave = BULK_LEAVES if lane is Lane.BULK else 0.0
        return await self._run(self._take, merchant_id, cost, leave) / 1000

    async def settle(
        self, merchant_id: UUID, taken: float, cost: float, told: Level | None
    ) -> None:
        level = ("", "", "") if told is None else (told.available, told.maximum, told.rate)
        await self._run(self._settle, merchant_id, taken - cost, *level)

    async def _run(
        self, script: Callable[..., Awaitable[Any]], merchant_id: UUID, *arguments: float | str
    ) -> int:
        """What a script answers; 0 when nobody can be asked."""
        now = asyncio.get_running_loop().time()
        if self._away_until is not None:
            if now < self._away_until:
                return 0
            self._away_until = now + PROBE_SECONDS  # the others go on without
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = int(
                    await script(
                        keys=[f"shopify_cost:{merchant_id}"],
                        args=[MAXIMUM, RATE, _KEPT_MS, *arguments],
                    )
                )
        except (RedisError, OSError, TimeoutError) as error:
            if self._away_until is None:
                log.warning(
                    "Shopify alone bounds what it is asked: Valkey, %s", type(error).__name__
                )
            self._away_until = now + PROBE_SECONDS
            SHOPIFY_LIMIT_ALONE.set(1)
            return 0
        if self._away_until is not None:
            self._away_until = None
            SHOPIFY_LIMIT_ALONE.set(0)
            log.info("what Shopify may be asked is counted in Valkey again")
        return answer
