"""`loyalnest demo`: a shop's orders, made up, signed and sent to the edge."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.demo_shop.request import Target, prepare
from infra.demo_shop.sender import Report, Sender
from infra.demo_shop.settings import NotConfigured, target_of
from infra.demo_shop.stream import Plan, deliveries
from infra.demo_shop.telling import tell

_SPAN: Final = timedelta(days=7)
_ORDERS_PER_CUSTOMER: Final = 4


def main(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Exit code 0 when every delivery was accepted, 1 when some were not, 2 for wrong settings."""
    known = _parser().parse_args(argv)
    try:
        environment = os.environ if environment is None else environment
        target = target_of(environment)
    except NotConfigured as error:
        sys.stderr.write(f"{error}\n")
        return 2
    now = datetime.now(UTC)
    plan = Plan(
        seed=known.seed,
        run=known.run or f"{now:%Y%m%d%H%M%S%f}",
        orders=known.orders,
        customers=max(1, known.orders // _ORDERS_PER_CUSTOMER),
        now=now,
        span=_SPAN,
        announce_products=False,
    )
    report = asyncio.run(_send(plan, target, known.rate, environment))
    sys.stdout.write(f"\r{_summary(report)}\n")
    return 1 if report.refused or report.given_up else 0


async def _send(plan: Plan, target: Target, rate: float, environment: Mapping[str, str]) -> Report:
    await tell(plan, environment)
    ready = prepare(deliveries(plan), target)
    sender = Sender(target, rate=rate or None)
    async with asyncio.TaskGroup() as group:
        progress = group.create_task(_progress(sender.report, len(ready)))
        report = await sender.send(ready)
        progress.cancel()
    return report


async def _progress(report: Report, total: int) -> None:
    while True:
        sys.stdout.write(f"\r{len(report.accepted):>8} of {total} deliveries accepted ")
        sys.stdout.flush()
        await asyncio.sleep(0.5)


def _summary(report: Report) -> str:
    refused = ", ".join(f"{n} × {status}" for status, n in sorted(report.refused.items()))
    return (
        f"{len(report.accepted)} deliveries accepted in {report.seconds:.1f} s "
        f"({report.per_second:.0f}/s, p50 {report.latency(0.5) * 1000:.1f} ms, "
        f"p99 {report.latency(0.99) * 1000:.1f} ms), {report.duplicates} of them repeats; "
        f"refused: {refused or 'none'}; tried again: {report.retries}; "
        f"unanswered: {len(report.given_up)}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loyalnest demo", description="Be a shop for a while.")
    parser.add_argument(
        "--rate", type=_not_negative, default=20.0, help="deliveries a second; 0: all"
    )
    parser.add_argument("--orders", type=_positive, default=200, help="how many orders (200)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same shop (1)")
    parser.add_argument("--run", default="", help="name of the run; the same name repeats its ids")
    return parser


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e6:
        raise argparse.ArgumentTypeError("must be between 0 and a million")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
