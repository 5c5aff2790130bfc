"""`loyalnest demo`: sends a demo shop's orders, signed, to the edge."""

from collections.abc import Sequence

from infra.cli.join import use_running_stack


def run(words: Sequence[str]) -> int:
    """Hands over: the demo shop reads its own arguments."""
    from infra.demo_shop.main import main

    if not {"-h", "--help"} & set(words):
        use_running_stack()
    return main(words)
