"""Who PostgreSQL runs as: it refuses root, and it needs a user the system knows by name."""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.embedded.errors import EmbeddedError

# Not root, and able to reach the programs in the sight of access(2), which initdb relies on.
PROBE = "import os, sys; sys.exit(os.geteuid() == 0 or not os.access(sys.executable, os.X_OK))"
LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """How launch.py is to start the server, and who must own its files."""

    launch: str
    owner: int


SAME = Identity("same", os.geteuid())


@cache
def for_postgres() -> Identity:
    """The first way that works here; raises EmbeddedError where root has none."""
    user = os.geteuid()
    if user != 0 and _known(user):
        return SAME
    stand_in = next((e.pw_uid for e in pwd.getpwall() if e.pw_name == "nobody" and e.pw_uid), 65534)
    if works(namespace := Identity(f"namespace:{stand_in}", user)):
        return namespace
    if user == 0 and works(other := Identity(f"uid:{stand_in}", stand_in)):
        return other
    raise EmbeddedError(
        "PostgreSQL does not run as root, and this system allows neither a user namespace "
        "nor changing the user; run as an ordinary user."
    )


def _known(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def works(identity: Identity) -> bool:
    """Whether a program can be started under this identity here."""
    # Python itself, because it may lie where only root can enter, as the server's program may.
    probe = [sys.executable, "-I", "-S", "-c", PROBE]
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), "9", identity.launch]
    return subprocess.run([*launch, *probe], check=False, capture_output=True).returncode == 0
