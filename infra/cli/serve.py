"""`loyalnest serve`: runs services in this process until it is told to stop."""

import argparse

from infra.cli.join import use_running_stack
from infra.embedded.errors import EmbeddedError
from services import SERVICES


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"all, or {', '.join(SERVICES)}")


def run(known: argparse.Namespace) -> int:
    """Serves."""
    names = SERVICES if "all" in known.names else tuple(dict.fromkeys(known.names))
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise EmbeddedError(f"No service is called {unknown[0]}; there are {', '.join(SERVICES)}.")
    use_running_stack(needed=False, service=names[0] if len(names) == 1 else "")
    from adapters.runtime.host import run as host

    return host(names)
