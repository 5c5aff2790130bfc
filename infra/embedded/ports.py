"""Which loopback port each process gets: the one asked for, else the last one, else a free one."""

import itertools
import os
import random
import socket
from collections.abc import Iterable, Mapping

from infra.embedded.errors import EmbeddedError
from infra.embedded.home import Home, read_json, write_json

SETTINGS = {
    "http": "LOYALNEST_HTTP_PORT",
    "ops": "LOYALNEST_OPS_PORT",
    "nats": "LOYALNEST_NATS_PORT",
    "postgres": "LOYALNEST_POSTGRES_PORT",
    "valkey": "LOYALNEST_VALKEY_PORT",
    "shopify": "LOYALNEST_SHOPIFY_PORT",
}
DEFAULT_HTTP_PORT = 8080

# Below what systems give to outgoing connections, so that none of those sits on a remembered port.
CHOICE = range(20_000, 32_000)
turns = itertools.cycle(random.sample(CHOICE, len(CHOICE)))
"""In which order they are tried: nobody gets one that another was just given and has yet to use."""


def wanted_from_environment() -> dict[str, int]:
    """The ports the environment asks for, and the gateway's default."""
    wanted = {"http": DEFAULT_HTTP_PORT}
    for name, setting in SETTINGS.items():
        text = os.environ.get(setting, "")
        if not text:
            continue
        if not text.isdecimal() or not 1 <= int(text) <= 65_535:
            raise EmbeddedError(f"{setting}={text} is not a port (1 to 65535).")
        wanted[name] = int(text)
    return wanted


def allot(home: Home, names: Iterable[str], wanted: Mapping[str, int]) -> dict[str, int]:
    """A port for each name, remembered in the home; raises EmbeddedError when a wanted one is busy.

    Names with a dot (`ops.points`) belong to a family: a wanted `ops` moves all of them, upwards.
    """
    last = read_json(home.ports)
    chosen: dict[str, int] = {}
    for position, name in enumerate(names):
        family = name.partition(".")[0]
        if family in wanted:
            port = wanted[family] + (position if "." in name else 0)
            if not is_free(port):
                raise EmbeddedError(
                    f"Port {port} is in use, and {SETTINGS[family]} asks for it; "
                    f"set {SETTINGS[family]} to another."
                )
        else:
            remembered = last.get(name)
            taken = set(chosen.values())
            if isinstance(remembered, int) and remembered not in taken and is_free(remembered):
                port = remembered
            else:
                port = free_port(taken)
        chosen[name] = port
    write_json(home.ports, {**last, **chosen})
    return chosen


def free_port(taken: set[int]) -> int:
    """Any port nobody listens on."""
    for port in itertools.islice(turns, 200):
        if port not in taken and is_free(port):
            return port
    raise EmbeddedError(f"No free port between {CHOICE.start} and {CHOICE.stop}.")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: a port whose old connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
