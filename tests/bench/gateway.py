"""`bench gateway`: GET /v1/api/points/balance with a token as fast as 64 connections can ask, next
to a Litestar route that answers a constant."""

import sys
from typing import Final

from infra.embedded.ports import free_port
from tests.bench.balance import MEMBER, measure, with_points
from tests.bench.layouts import ORDERS
from tests.bench.report import Result, ratio
from tests.rig.own import OwnProcess
from tests.rig.quiet import Watch
from tests.rig.stack import Stack, shown

AS_FAST_AS_IT_GOES: Final = 0.0


async def bench(seconds: float) -> Result:
    async with Stack(ORDERS) as stack:
        token = await with_points(stack)
        async with Watch(stack) as watch:
            await watch.until_quiet(60.0)
        path = f"/v1/api/points/balance?shopify_customer_id={MEMBER}"
        got = await measure(stack.http_port, path, AS_FAST_AS_IT_GOES, seconds, token)
        await stack.stop_services()
    port = free_port(set())
    async with OwnProcess([sys.executable, "-m", "tests.bench.bare_route", str(port)]):
        bare = await measure(port, "/balance", AS_FAST_AS_IT_GOES, seconds, "")
    return Result(
        bench="gateway",
        figure=got.per_second,
        unit="requests/s",
        floor=bare.per_second,
        ratio=ratio(got.per_second, bare.per_second),
        p50_ms=got.p50_ms,
        p99_ms=got.p99_ms,
        floor_p50_ms=bare.p50_ms,
        floor_p99_ms=bare.p99_ms,
        layout=shown(ORDERS),
        details={"answered": f"{got.answered:,}, {got.refused} refused", "connections": "64"},
    )
