"""`bench orders`: signed webhooks in, everything committed by every consumer, nothing lost.

The shop's customers have signed up before, and nothing of that is left to do when the first order
is sent.

Sustained: the shop sends as fast as the edge takes it, with bounded deliveries in flight. The
figure is orders divided by the time from the first send until no consumer is behind and no outbox
holds anything: work that is put off counts against it.

Latency: 300 deliveries a second; from the 200 to the event that the ledger says after its commit.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec
from nats.aio.msg import Msg

from adapters.nats.packs import unpacked
from adapters.tasks import end_all
from contracts.points import EARNED, PointsMoved
from tests.bench import floor, pipeline
from tests.bench.report import Result, ratio
from tests.rig import cpu
from tests.rig.batches import mean_batches
from tests.rig.load import Sent, Shop
from tests.rig.quiet import Watch
from tests.rig.shop import ORDERS_ONLY, LoadProcess
from tests.rig.stack import Layout, Stack, shown
from tests.rig.truth import Verdict, compare

LATENCY_RATE: Final = 300.0
_LATENCY_SECONDS: Final = 10.0
_MOST_PER_SECOND: Final = 3_500  # more than this machine takes, so that the shop never runs dry
_ORDERS_PER_CUSTOMER: Final = 5
_QUIET_WITHIN: Final = 180.0
_IN_FLIGHT: Final = 64


async def bench(layout: Layout, seconds: float, *, with_floor: bool = True) -> Result:
    orders = int(seconds * _MOST_PER_SECOND + LATENCY_RATE * _LATENCY_SECONDS)
    async with Stack(layout) as stack:
        shop = Shop(
            port=stack.http_port,
            secret=stack.secret,
            run="bench",
            orders=orders,
            customers=orders // _ORDERS_PER_CUSTOMER,
            topics=ORDERS_ONLY,
        )
        async with LoadProcess(shop) as load, Watch(stack) as watch:
            await load.signups()
            await watch.until_quiet(_QUIET_WITHIN)
            # Or the members' work would be measured as if it were the orders'.
            await watch.until_named(_QUIET_WITHIN)
            watch.peaks.clear()
            _say(f"sending for {seconds:.0f} s")
            sustained, quiet_at, spent = await _sustained(stack, load, watch, seconds)
            peaks = dict(watch.peaks)
            batches = await mean_batches(stack)
            _say(f"{LATENCY_RATE:.0f} a second for {_LATENCY_SECONDS:.0f} s")
            latencies = await _latencies(stack, load, watch)
            _say("comparing every wallet")
            verdict = await compare(stack, await load.truth())
            dead = await watch.dead_letters()
        await stack.stop_services()
        bare = await floor.orders_per_second(stack, seconds) if with_floor else 0.0
        piped = await pipeline.orders_per_second(stack, seconds) if with_floor else 0.0
    figure = sustained.orders / (quiet_at - sustained.started)
    p50, p99 = (_quantile(latencies, q) * 1000 for q in (0.5, 0.99))
    return Result(
        bench="orders",
        figure=figure,
        unit="orders/s",
        floor=bare,
        ratio=ratio(figure, bare),
        p50_ms=p50,
        p99_ms=p99,
        lost=verdict.lost,
        doubled=verdict.doubled,
        wrong=len(verdict.wrong),
        layout=shown(layout),
        bottleneck=_bottleneck(spent, peaks),
        details=_details(sustained, quiet_at, spent, peaks, batches)
        | {"bare pipeline": f"{piped:,.0f} orders/s, ratio {ratio(figure, piped):.2f}"},
        notes=_notes(sustained, verdict, dead),
    )


async def _sustained(
    stack: Stack, load: LoadProcess, watch: Watch, seconds: float
) -> tuple[Sent, float, dict[str, float]]:
    """What was sent, when everything was done, and the processor seconds of each process."""
    pids = {**stack.pids(), "load": load.pid}
    before = cpu.seconds_of(pids)
    async with _sampling(watch):
        sent = await load.send(seconds, connections=_IN_FLIGHT)
        quiet_at = await watch.until_quiet(_QUIET_WITHIN)
    return sent, quiet_at, cpu.used(before, cpu.seconds_of(pids))


async def _latencies(stack: Stack, load: LoadProcess, watch: Watch) -> list[float]:
    """Seconds from accepted to visible, for every order that earned anything."""
    visible_at: dict[str, float] = {}
    decode = msgspec.json.Decoder(PointsMoved).decode

    async def hear(message: Msg) -> None:
        now = time.monotonic()
        for event in unpacked(message):
            visible_at.setdefault(decode(event.payload).source_ref, now)

    subscription = await stack.client.subscribe(EARNED.subject(stack.merchant_id), cb=hear)
    sent = await load.send(_LATENCY_SECONDS, LATENCY_RATE)
    await watch.until_quiet(_QUIET_WITHIN)
    await stack.client.flush()
    await subscription.unsubscribe()
    return [
        max(visible_at[order] - at, 0.0)
        for order, at in sent.accepted_at.items()
        if order in visible_at
    ]


@contextlib.asynccontextmanager
async def _sampling(watch: Watch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.sample())
    try:
        yield
    finally:
        await end_all([task])


def _say(what: str) -> None:
    """Progress, apart from the result."""
    print(f"bench orders: {what} …", file=sys.stderr, flush=True)


def _quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * q), len(ordered) - 1)] if ordered else 0.0


def _bottleneck(spent: dict[str, float], peaks: dict[str, int]) -> str:
    first = next(iter(spent))
    behind = max(peaks, key=lambda name: peaks[name], default="")
    return (
        f"{first} used the most processor time; {behind} was furthest behind"
        f" ({peaks.get(behind, 0):,} events)"
    )


def _details(
    sent: Sent,
    quiet_at: float,
    spent: dict[str, float],
    peaks: dict[str, int],
    batches: dict[str, float],
) -> dict[str, object]:
    took = sent.ended - sent.started
    busy = sum(spent.values()) / (quiet_at - sent.started)
    return {
        "accepted": f"{sent.orders:,} orders in {took:.1f} s ({sent.orders / took:,.0f}/s), "
        f"{sent.accepted:,} deliveries",
        "all done": f"{quiet_at - sent.ended:.1f} s after the last was accepted",
        "edge p50 / p99": f"{sent.p50_ms:.1f} ms / {sent.p99_ms:.1f} ms",
        "processor": f"{busy:.2f} cores busy, {sum(spent.values()) / sent.orders * 1000:.2f} ms per"
        f" order: {cpu.shares(spent)}",
        "lag peaks": _listed(peaks),
        "events in a batch": _listed(batches),
    }


def _listed(numbers: Mapping[str, float]) -> str:
    greatest = sorted(numbers.items(), key=lambda each: -each[1])[:8]
    return ", ".join(f"{name} {number:,.0f}" for name, number in greatest)


def _notes(sent: Sent, verdict: Verdict, dead: int) -> list[str]:
    notes = [str(verdict)]
    if dead:
        notes.append(f"{dead} dead letters")
    if sent.refused or sent.given_up:
        notes.append(f"refused {sent.refused}, given up {sent.given_up}")
    if sent.ran_dry:
        notes.append("the shop ran out of orders before the time was over")
    return notes
