"""`bench webhook`: how long a shop waits for its 200, at 500 deliveries a second, all services on.

Offered in an open loop: each delivery is timed from when it was due, so a stall counts against all
that had to wait behind it.
"""

from typing import Final

from tests.bench import floor
from tests.bench.layouts import ORDERS
from tests.bench.report import Result, ratio
from tests.rig.load import Sent, Shop
from tests.rig.quiet import Watch
from tests.rig.shop import LoadProcess
from tests.rig.stack import Stack, shown

RATE: Final = 500.0
_WARM_UP: Final = 2.0
_CONNECTIONS: Final = 64


async def bench(seconds: float) -> Result:
    async with Stack(ORDERS) as stack:
        async with LoadProcess(_shop(stack, stack.http_port, seconds)) as load, Watch(stack) as see:
            sent = await _measure(load, seconds)
            await see.until_quiet(60.0)
        await stack.stop_services()
        async with (
            floor.edge(stack) as port,
            LoadProcess(_shop(stack, port, seconds)) as load,
        ):
            bare = await _measure(load, seconds)
    return Result(
        bench="webhook",
        figure=sent.p99_ms,
        unit=f"ms p99 at {RATE:.0f}/s",
        better="lower",
        floor=bare.p99_ms,
        ratio=ratio(sent.p99_ms, bare.p99_ms),
        p50_ms=sent.p50_ms,
        p99_ms=sent.p99_ms,
        floor_p50_ms=bare.p50_ms,
        floor_p99_ms=bare.p99_ms,
        layout=shown(ORDERS),
        details={
            "accepted": f"{sent.accepted:,} deliveries, {sent.accepted / seconds:.0f}/s,"
            f" {sent.retries} sent again"
        },
    )


def _shop(stack: Stack, port: int, seconds: float) -> Shop:
    orders = int(RATE * (seconds + _WARM_UP))
    return Shop(port=port, secret=stack.secret, run="webhook", orders=orders, customers=orders // 5)


async def _measure(load: LoadProcess, seconds: float) -> Sent:
    await load.send(_WARM_UP, RATE, _CONNECTIONS)
    return await load.send(seconds, RATE, _CONNECTIONS)
