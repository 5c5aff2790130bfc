"""The embedded NATS server with JetStream."""

import json
import os

from infra.embedded import binaries
from infra.embedded.errors import EmbeddedError
from infra.embedded.home import write_private
from infra.embedded.server import Server, converse

USER = "loyalnest"
SYNC_SETTING = "LOYALNEST_NATS_SYNC"

CONFIGURATION = """\
# Written by every start; changes here are lost.
server_name: loyalnest
listen: "127.0.0.1:{port}"
max_payload: 2MB
authorization {{ user: {user}, password: {password} }}
jetstream {{
    store_dir: {store}
    # How long an acknowledged message may wait for the disk. A killed process loses nothing either
    # way; a power cut loses what is younger than this.
    sync_interval: {sync}
    max_memory_store: 256MB
}}
"""


class NatsServer(Server):
    """NATS on loopback; a user and a password, no monitoring port."""

    name = "nats"
    title = "NATS"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{USER}:{self.secrets.nats_password}@127.0.0.1:{self.port}"

    async def prepare(self) -> None:
        """Writes the configuration file."""
        store = self.home.data / "nats"
        store.mkdir(mode=0o700, exist_ok=True)
        text = CONFIGURATION.format(
            port=self.port,
            user=USER,
            password=json.dumps(self.secrets.nats_password),
            store=json.dumps(str(store)),
            sync=json.dumps(sync_interval()),
        )
        write_private(self.home.run / "nats.conf", text)

    def command(self) -> list[str]:
        """nats-server with its configuration file."""
        return [str(binaries.nats_server()), "--config", str(self.home.run / "nats.conf")]

    async def ready(self) -> bool:
        """Whether it takes the password and JetStream is on."""
        log_in = {"user": USER, "pass": self.secrets.nats_password, "verbose": False}
        say = f"CONNECT {json.dumps(log_in)}\r\nPING\r\n".encode()
        answer = await converse(self.port, say, lines=2)  # INFO …, PONG
        return b'"jetstream":true' in answer and answer.endswith(b"PONG\r\n")


def sync_interval() -> str:
    """LOYALNEST_NATS_SYNC: `always`, or a time such as `100ms`."""
    value = os.environ.get(SYNC_SETTING, "") or "100ms"
    number = value.rstrip("hms")
    if value != "always" and not (number.isdecimal() and value != number):
        raise EmbeddedError(f"{SYNC_SETTING}={value} is neither `always` nor a time like `100ms`.")
    return value
