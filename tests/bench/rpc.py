"""`bench rpc`: calls across the mesh per second, 64 in flight, next to bare request and reply."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats
from nats.aio.client import Client

from contracts import points
from contracts.caller import service_caller
from contracts.shop import member_id
from tests.bench.echo import BARE, PING, Ping, Pong
from tests.bench.report import Result, ratio
from tests.rig.own import OwnProcess
from tests.rig.stack import Stack, layout_of, shown

_IN_FLIGHT: Final = 64
_LAYOUT: Final = layout_of("auth | points")
_MEMBER: Final = "1001"


async def bench(seconds: float) -> Result:
    """``seconds`` in all, a third for each of the three."""
    each = seconds / 3
    async with Stack(_LAYOUT) as stack:
        caller = service_caller("bench", stack.merchant_id)
        customer_id = member_id(stack.merchant_id, _MEMBER)
        member = points.MemberRef(customer_id=customer_id)
        gift = points.Adjust(customer_id=customer_id, points=50, reason="a start")
        await stack.mesh.call(points.ADJUST, gift, caller, idempotency_key="bench")
        mesh = stack.mesh
        bare = await nats.connect(stack.environment()["LOYALNEST_NATS_URL"])
        command = [sys.executable, "-m", "tests.bench.echo"]
        async with OwnProcess(command, stack.environment()):
            floor = await _measure(lambda: _bare_call(bare), each)
            ping = await _measure(lambda: mesh.call(PING, Ping(number=1), caller), each)
        balance = await _measure(lambda: mesh.call(points.GET_BALANCE, member, caller), each)
        await bare.close()
    return Result(
        bench="rpc",
        figure=ping.per_second,
        unit="calls/s",
        floor=floor.per_second,
        ratio=ratio(ping.per_second, floor.per_second),
        p50_ms=ping.p50_ms,
        p99_ms=ping.p99_ms,
        floor_p50_ms=floor.p50_ms,
        floor_p99_ms=floor.p99_ms,
        layout=shown(_LAYOUT),
        details={
            points.GET_BALANCE.name: f"{balance.per_second:,.0f} calls/s, "
            f"p50 {balance.p50_ms:.1f} ms, p99 {balance.p99_ms:.1f} ms"
        },
    )


async def _bare_call(client: Client) -> Pong:
    reply = await client.request(BARE, msgspec.json.encode(Ping(number=1)), timeout=5)
    return msgspec.json.decode(reply.data, type=Pong)


class _Measured(msgspec.Struct):
    per_second: float
    p50_ms: float
    p99_ms: float


async def _measure(call: Callable[[], Awaitable[object]], seconds: float) -> _Measured:
    """Calls again and again from 64 tasks; the first half second only warms up."""
    took: list[float] = []
    warm = time.perf_counter() + 0.5
    deadline = warm + seconds

    async def again_and_again() -> None:
        while (started := time.perf_counter()) < deadline:
            await call()
            if started >= warm:
                took.append(time.perf_counter() - started)

    await asyncio.gather(*(again_and_again() for _ in range(_IN_FLIGHT)))
    took.sort()
    return _Measured(
        per_second=len(took) / (time.perf_counter() - warm),
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[int(len(took) * 0.99)] * 1000,
    )
