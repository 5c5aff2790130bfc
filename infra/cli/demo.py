"""`loyalnest demo`: sends a demo shop's orders, signed, to the edge."""

import argparse

from infra.cli.join import use_running_stack


def add(parser: argparse.ArgumentParser) -> None:
    """The demo shop reads its own arguments."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def run(known: argparse.Namespace) -> int:
    """Hands over."""
    from infra.demo_shop.main import main

    if not {"-h", "--help"} & set(known.arguments):
        use_running_stack()
    return main(known.arguments)
