"""What a running stack tells other processes about itself."""

import os
import time
from dataclasses import asdict, dataclass, field

from infra.embedded.home import Home, read_json, write_json
from infra.embedded.lock import holder

# Where the gateway serves what people look for first.
WEBHOOKS_PATH = "/webhooks"


@dataclass(slots=True)
class ProcessState:
    """One process of the stack."""

    name: str
    kind: str  # server, service or demo
    port: int
    pid: int | None
    since: float  # seconds since the epoch
    restarts: int = 0


@dataclass(slots=True)
class State:
    """The stack of one home, as its supervisor sees it."""

    phase: str = "starting"  # starting, healthy, stopping
    demo: str = "off"  # off, kept, seeding, seeded, failed
    pid: int = field(default_factory=os.getpid)
    since: float = field(default_factory=time.time)
    addresses: dict[str, str] = field(default_factory=dict)
    processes: list[ProcessState] = field(default_factory=list)

    def write(self, home: Home) -> None:
        """Tells everybody."""
        write_json(home.state, asdict(self))


def running(home: Home) -> dict[str, object] | None:
    """The state of the stack that runs in a home now, None when none does."""
    pid = holder(home)
    state = read_json(home.state)
    return state if pid is not None and state.get("pid") == pid else None


def addresses(home: Home, ports: dict[str, int]) -> dict[str, str]:
    """Where everything is; passwords are in the environment file, which is private."""
    http = f"http://127.0.0.1:{ports['http']}"
    return {
        "page": f"{http}/",
        "api": http,
        "webhooks": f"{http}{WEBHOOKS_PATH}",
        **{name: f"http://127.0.0.1:{port}" for name, port in ports.items() if "ops" in name},
        "nats": f"nats://127.0.0.1:{ports['nats']}",
        "postgres": f"postgresql://127.0.0.1:{ports['postgres']}",
        "valkey": f"redis://127.0.0.1:{ports['valkey']}/0",
        **({"shopify": f"http://127.0.0.1:{ports['shopify']}"} if "shopify" in ports else {}),
        "home": str(home.path),
        "logs": str(home.logs),
        "environment": str(home.environment),
    }
