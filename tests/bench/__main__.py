"""`./dev.sh bench NAME`: one benchmark, as a table or as one JSON object."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from importlib import import_module

from infra.embedded.errors import EmbeddedError
from tests.bench.layouts import ORDERS
from tests.bench.report import Result, as_json, as_table
from tests.rig.stack import NotReady, layout_of, shown

SECONDS = {
    "orders": 15.0,
    "webhook": 10.0,
    "balance": 10.0,
    "gateway": 10.0,
    "rpc": 8.0,
    "ledger": 20.0,
    "redeem": 18.0,
    "growth": 5.0,
    "simulate": 6.0,
    "startup": 0.0,
}
"""The benchmarks, and how long each measures unless told otherwise."""


def main(argv: Sequence[str] | None = None) -> int:
    known = _parser().parse_args(argv)
    logging.basicConfig(level=logging.CRITICAL)
    seconds = SECONDS[known.name] if known.seconds is None else known.seconds
    module = import_module(f"tests.bench.{known.name}")
    try:
        if known.name == "orders":
            work = module.bench(layout_of(known.layout), seconds, with_floor=not known.no_floor)
        else:
            work = module.bench(seconds)
        result = asyncio.run(_until_stopped(work))
    except (EmbeddedError, NotReady, AssertionError) as error:
        print(f"bench {known.name}: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    print(as_json(result) if known.json else as_table(result))
    return 1 if result.lost or result.doubled or result.wrong else 0


async def _until_stopped(work: Coroutine[None, None, Result]) -> Result:
    """Ctrl-C and SIGTERM end the work in order: its processes and its home go with it."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Figures next to their floors.")
    parser.add_argument("name", choices=SECONDS)
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
    parser.add_argument("--seconds", type=float, help="how long to measure")
    parser.add_argument("--layout", default=shown(ORDERS), help="orders: services by process")
    parser.add_argument("--no-floor", action="store_true", help="orders: leave the floor out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
