"""`bench balance`: GET /v1/api/points/balance through the gateway with a token, 500 a second."""

import sys
from typing import Final

import msgspec

from contracts import auth, points
from contracts.caller import service_caller
from contracts.shop import member_id
from infra.demo_shop.delivery import SHOP_DOMAIN
from infra.embedded.ports import free_port
from tests.bench.getter import Got
from tests.bench.layouts import ORDERS
from tests.bench.report import Result, ratio
from tests.rig.own import OwnProcess
from tests.rig.quiet import Watch
from tests.rig.stack import Stack, shown

RATE: Final = 500.0
MEMBER: Final = "1001"


async def bench(seconds: float) -> Result:
    async with Stack(ORDERS) as stack:
        token = await with_points(stack)
        async with Watch(stack) as watch:
            await watch.until_quiet(60.0)
        path = f"/v1/api/points/balance?shopify_customer_id={MEMBER}"
        got = await measure(stack.http_port, path, RATE, seconds, token)
        await stack.stop_services()
    port = free_port(set())
    async with OwnProcess([sys.executable, "-m", "tests.bench.bare_route", str(port)]):
        bare = await measure(port, "/balance", RATE, seconds, "")
    return Result(
        bench="balance",
        figure=got.p99_ms,
        unit=f"ms p99 at {RATE:.0f}/s",
        better="lower",
        floor=bare.p99_ms,
        ratio=ratio(got.p99_ms, bare.p99_ms),
        p50_ms=got.p50_ms,
        p99_ms=got.p99_ms,
        floor_p50_ms=bare.p50_ms,
        floor_p99_ms=bare.p99_ms,
        layout=shown(ORDERS),
        details={"answered": f"{got.answered:,} ({got.per_second:.0f}/s), {got.refused} refused"},
    )


async def with_points(stack: Stack) -> str:
    """Give a member something to look at; the token of somebody who may."""
    gift = points.Adjust(
        customer_id=member_id(stack.merchant_id, MEMBER), points=50, reason="a start"
    )
    caller = service_caller("bench", stack.merchant_id)
    await stack.mesh.call(points.ADJUST, gift, caller, idempotency_key="bench")
    issued = await stack.mesh.call(
        auth.ISSUE_DEVELOPMENT_TOKEN,
        auth.IssueDevelopmentToken(shop_domain=SHOP_DOMAIN),
        service_caller("bench"),
    )
    return issued.token


async def measure(port: int, path: str, rate: float, seconds: float, token: str) -> Got:
    """Requests from a process of its own; ``rate`` a second, 0: as fast as they are answered."""
    words = [str(port), path, str(rate), str(seconds), token]
    async with OwnProcess([sys.executable, "-m", "tests.bench.getter", *words]) as getter:
        return msgspec.json.decode(await getter.heard(), type=Got)
