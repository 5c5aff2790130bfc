"""``ports.limits.Limits`` in Valkey: one number for each bucket, the moment at which it is full.

A script does what ``domain.limits.draw`` says, atomically and by Valkey's own clock, for all
buckets of a request in one round trip. Requests that come while one round trip is on its way go
together in the next: the client costs more than the script does, and under load it is paid once for
many.

A Valkey that fails, or does not answer within ``PATIENCE_SECONDS``, is left alone until ``probe``
finds it well again: the request that noticed has waited, no other does. It is not asked before
``probe`` has connected to it and taught it the script, either.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.telemetry.metrics import LIMITS_ALONE
from domain.errors import Unavailable
from domain.limits import Drawn, level
from ports.limits import Bucket

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 0.025
PROBE_SECONDS: Final = 0.25
_MOST_AT_ONCE: Final = 100
"""Requests in one round trip: some 0.3 ms of Valkey's time."""
_AWAY: Final = "What is left of the rate limits cannot be asked."

CLOCK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""
RULE: Final = """
local answer, key, argument = {}, 0, 1
while argument <= #ARGV do
    local buckets = tonumber(ARGV[argument])
    local before, after, admitted = {}, {}, 1
    for i = 1, buckets do
        local interval = tonumber(ARGV[argument + 2 * i - 1])
        local capacity = tonumber(ARGV[argument + 2 * i])
        before[i] = math.max(tonumber(redis.call('GET', KEYS[key + i]) or 0), now)
        after[i] = before[i] + interval
        if after[i] - now > capacity then admitted = 0 end
    end
    answer[#answer + 1] = admitted
    for i = 1, buckets do
        local full_at = before[i]
        if admitted == 1 then
            full_at = after[i]
            redis.call('SET', KEYS[key + i], string.format('%.0f', full_at),
                'PX', math.ceil((full_at - now) / 1000))
        end
        answer[#answer + 1] = full_at - now
    end
    key = key + buckets
    argument = argument + 2 * buckets + 1
end
return answer
"""
"""``ARGV`` has, for each request, the number of its buckets and for each of them interval and
capacity; the answer, for each request, 1 or 0 and for each of its buckets when it is full."""

_Waiting = tuple[Sequence[Bucket], "asyncio.Future[Drawn]"]


class ValkeyLimits:
    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._script = valkey.register_script(CLOCK + RULE)
        self._waiting: list[_Waiting] = []
        self._asking: asyncio.Task[None] | None = None
        self._away = True
        LIMITS_ALONE.set(1)

    async def draw(self, buckets: Sequence[Bucket]) -> Drawn:
        if self._away:
            raise Unavailable(_AWAY)
        answer: asyncio.Future[Drawn] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_for_all(), name="rate limits")
        return await answer

    async def probe(self) -> None:
        """Whether a Valkey that was away is there again; to be run every ``PROBE_SECONDS``."""
        if not self._away:
            return
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._script(keys=[], args=[])
        except (RedisError, OSError, TimeoutError):
            return
        self._away = False
        LIMITS_ALONE.set(0)
        log.info("rate limits are counted in Valkey again")

    async def _ask_for_all(self) -> None:
        try:
            while self._waiting:
                some = self._waiting[:_MOST_AT_ONCE]
                del self._waiting[:_MOST_AT_ONCE]
                await self._ask(some)
        finally:
            self._asking = None

    async def _ask(self, some: Sequence[_Waiting]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await self._script(
                    keys=[bucket.key for buckets, _ in some for bucket in buckets],
                    args=_arguments(buckets for buckets, _ in some),
                )
        except Exception as error:  # whatever it was, nobody may be left waiting
            self._leave_alone(error)
            for _, answer in (*some, *self._waiting):
                if not answer.done():
                    answer.set_exception(Unavailable(_AWAY))
            self._waiting.clear()
            return
        at = 0
        for buckets, answer in some:
            end = at + 1 + len(buckets)
            if not answer.done():  # whoever has gone away meanwhile has been counted all the same
                answer.set_result(_drawn(buckets, found[at] == 1, found[at + 1 : end]))
            at = end

    def _leave_alone(self, error: Exception) -> None:
        if not self._away:
            log.warning("rate limits are counted here alone: Valkey, %s", type(error).__name__)
        self._away = True
        LIMITS_ALONE.set(1)


def _arguments(requests: Iterable[Sequence[Bucket]]) -> list[int]:
    arguments: list[int] = []
    for buckets in requests:
        arguments.append(len(buckets))
        for bucket in buckets:
            arguments += (bucket.rate.interval, bucket.rate.capacity)
    return arguments


def _drawn(buckets: Sequence[Bucket], admitted: bool, full_in: Sequence[int]) -> Drawn:
    return Drawn(
        admitted,
        tuple(
            level(
                bucket.rate,
                each,
                0 if admitted else max(0, each + bucket.rate.interval - bucket.rate.capacity),
            )
            for bucket, each in zip(buckets, full_in, strict=True)
        ),
    )
