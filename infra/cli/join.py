"""Joining the stack that runs in the home, for commands that were given no settings."""

import os

from infra.embedded.errors import EmbeddedError
from infra.embedded.home import Home, default_home, read_json
from infra.embedded.nats import url_of
from infra.embedded.secrets import load
from infra.embedded.state import running


def use_running_stack(*, needed: bool = True, service: str = "") -> None:
    """Takes the settings of a running `up` where the environment has none of its own; as a
    ``service`` those of this one, which may do over NATS what it does and no more.

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
    if known and service:
        where = str(known["LOYALNEST_NATS_URL"]).rpartition("@")[2]
        known["LOYALNEST_NATS_URL"] = url_of(service, load(home).nats_password, where)
    for name, value in known.items():
        os.environ.setdefault(name, str(value))
