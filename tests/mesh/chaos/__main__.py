"""`./dev.sh chaos`: the long crash test."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from infra.embedded.errors import EmbeddedError
from services import SERVICES
from tests.mesh.chaos.killing import EACH_ALONE, RATE, SERVERS, Chaos, Outcome
from tests.rig.quiet import NotQuiet
from tests.rig.stack import NotReady, layout_of


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every wallet was right."""
    known = _parser().parse_args(argv)
    logging.disable()  # servers that go away are the point
    victims = known.only or (*SERVICES, *SERVERS)
    layout = layout_of(known.layout) if known.layout else EACH_ALONE
    chaos = Chaos(victims, layout=layout, rate=known.rate, seed=known.seed)
    try:
        outcome = asyncio.run(_until_stopped(chaos, known.minutes * 60))
    except (EmbeddedError, NotReady, NotQuiet) as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    print(told(outcome))
    return 0 if outcome.right else 1


def told(outcome: Outcome) -> str:
    """The outcome for a person."""
    sent = outcome.sent
    kills = ", ".join(f"{name} {times}" for name, times in outcome.kills.items())
    return "\n".join(
        [
            f"{sum(outcome.kills.values())} kills: {kills}",
            f"{sent.accepted:,} deliveries accepted ({sent.orders:,} orders), "
            f"{sent.retries:,} sent again, {sent.given_up} given up, refused: {sent.refused}",
            outcome.spent,
            f"all at rest {outcome.quiet_after:.1f} s later; {outcome.dead_letters} dead letters",
            outcome.verdict,
            "right" if outcome.right else "WRONG",
        ]
    )


async def _until_stopped(chaos: Chaos, seconds: float) -> Outcome:
    task = asyncio.ensure_future(chaos.run(seconds))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chaos", description="Kill everything; lose nothing.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to kill (5)")
    parser.add_argument("--rate", type=float, default=RATE, help="deliveries per second")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the kills")
    parser.add_argument("--layout", default="", help="services by process; default: one each")
    parser.add_argument("only", nargs="*", help="kill only these services and servers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
