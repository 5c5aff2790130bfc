"""Joining the stack that runs in the home, for commands that were given no settings."""

import os

from infra.embedded.errors import EmbeddedError
from infra.embedded.home import Home, default_home, read_json
from infra.embedded.state import running


def use_running_stack(*, needed: bool = True) -> None:
    """Takes the settings of a running `up` where the environment has none of its own.

    Raises EmbeddedError when there is neither and the command cannot do without.
    """
    if os.environ.get("LOYALNEST_NATS_URL") or os.environ.get("LOYALNEST_NATS_URL_FILE"):
        return
    home = Home(default_home())
    known = read_json(home.environment) if running(home) else {}
    if not known and needed:
        raise EmbeddedError(
            f"Nothing runs in {home.path}; start it with `up`, or set LOYALNEST_NATS_URL."
        )
    for name, value in known.items():
        os.environ.setdefault(name, str(value))
