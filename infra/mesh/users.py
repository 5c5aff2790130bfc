"""The users of NATS, as its configuration has them: one for each service, and ``loyalnest`` for a
process that runs all of them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from infra.mesh.parts import parts
from infra.mesh.permissions import Permissions, permissions_of, together

ALL: Final = "loyalnest"
COMPOSE: Final = Path(__file__).parents[1] / "compose" / "nats" / "users.conf"

_COMPOSE_HEADER: Final = """\
# Who may log in to NATS, and what each may say and hear: one user for each service. Written by
# `./dev.sh contracts` from the code; changes here are lost.

# Their passwords. The path is relative to this file.
include "../../run/secrets/nats_passwords"

"""


def permissions() -> dict[str, Permissions]:
    """By user."""
    single = {part.service: permissions_of(part) for part in parts()}
    return single | {ALL: together(ALL, single.values())}


def authorization(users: Mapping[str, Permissions | None], password: Callable[[str], str]) -> str:
    """The block of NATS's configuration; who has None may everything. ``password`` is written as it
    comes: quoted, or the name of a variable."""
    lines = ["authorization {", "    users = ["]
    for name, may in users.items():
        lines.append(f"        {{ user: {name}, password: {password(name)}")
        if may is not None:
            lines += [
                "          permissions: {",
                f"              publish: {{ allow: {json.dumps(may.publish)} }}",
                f"              subscribe: {{ allow: {json.dumps(may.subscribe)} }}",
                "          }",
            ]
        lines.append("        }")
    return "\n".join([*lines, "    ]", "}", ""])


def for_compose() -> str:
    """There each service is a process of its own."""
    users = {name: may for name, may in permissions().items() if name != ALL}
    return _COMPOSE_HEADER + authorization(users, lambda name: f"${name}_password")
