"""The `loyalnest` command: its arguments. What each does is in a file of its own, loaded late."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from infra.embedded.errors import EmbeddedError

# name: what `--help` says of it. Each is a module of this package; all but `demo`, which reads its
# own arguments, have `add` and `run`.
COMMANDS = {
    "up": "run everything on this machine: servers, services, demo shop",
    "down": "stop what `up` started",
    "status": "what runs, where, since when",
    "serve": "run services in this process",
    "token": "print a token for development",
    "demo": "send a demo shop's orders to the edge",
    "admin": "make an admin, or help one who has lost their authenticator",
    "ledger": "prove that nobody changed the ledger of points, take it along, or move it",
    "keys": "rotate keys while everything runs",
    "config": "every setting with its value, secrets masked",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; answers the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return dispatch(words)
    except EmbeddedError as error:
        print(f"loyalnest: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def dispatch(words: list[str]) -> int:
    """Reads the arguments and hands over, loading the module of the one command only."""
    if words[:1] == ["demo"]:
        return int(import_module("infra.cli.demo").run(words[1:]))
    parser = argparse.ArgumentParser(prog="loyalnest", description="Loyalty for Shopify merchants.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        if name == chosen:
            module = import_module(f"infra.cli.{name}")
            module.add(command)
            command.set_defaults(run=module.run)
    known = parser.parse_args(words)
    return int(known.run(known))


if __name__ == "__main__":
    sys.exit(main())
