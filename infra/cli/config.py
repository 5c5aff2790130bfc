"""`loyalnest config`: every setting with the value it has here."""

import argparse
import os

from infra.cli.join import use_running_stack
from infra.embedded.home import default_home
from infra.embedded.nats import SYNC_SETTING
from infra.embedded.ports import SETTINGS

STACK = {
    "LOYALNEST_HOME": "Folder of the embedded stack: data, secrets, logs",
    SYNC_SETTING: "How long NATS may keep an acknowledged message off the disk: 100ms, always",
    **{
        setting: f"Port of the embedded {name}; empty: chosen free and kept"
        for name, setting in SETTINGS.items()
        if name not in ("http", "ops")
    },
}


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--explain", action="store_true", help="say what each setting is for")


def run(known: argparse.Namespace) -> int:
    """Prints them; who describes a setting masks it."""
    use_running_stack(needed=False)
    from adapters.runtime.settings import describe

    defaults = {"LOYALNEST_HOME": str(default_home()), SYNC_SETTING: "100ms"}
    settings = [
        (name, os.environ.get(name) or defaults.get(name, ""), about)
        for name, about in STACK.items()
    ] + list(describe())
    width = max(len(name) for name, _, _ in settings)
    for name, value, about in settings:
        if known.explain:
            print(f"# {about}")
        print(f"{name:<{width}}  {value}".rstrip())
    return 0
