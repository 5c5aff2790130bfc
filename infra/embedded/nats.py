"""The embedded NATS server with JetStream."""

import hashlib
import hmac
import json
import os

from infra.embedded import binaries
from infra.embedded.errors import EmbeddedError
from infra.embedded.home import write_private
from infra.embedded.server import Server, converse
from infra.mesh.users import ALL, authorization, permissions

OPERATOR = "operator"
"""The user that may everything: for people, tests and benchmarks; nothing that is served has it."""
SYNC_SETTING = "LOYALNEST_NATS_SYNC"

CONFIGURATION = """\
# Written by every start; changes here are lost.
server_name: loyalnest
listen: "127.0.0.1:{port}"
max_payload: 2MB
{authorization}
jetstream {{
    store_dir: {store}
    # How long an acknowledged message may wait for the disk. A killed process loses nothing either
    # way; a power cut loses what is younger than this.
    sync_interval: {sync}
    max_memory_store: 256MB
}}
"""


class NatsServer(Server):
    """NATS on loopback; a user with a password for each service, no monitoring port."""

    name = "nats"
    title = "NATS"

    @property
    def url(self) -> str:
        """Where whoever may everything connects."""
        return self.url_of(OPERATOR)

    def url_of(self, user: str) -> str:
        """Where a service connects, by its name; or ``infra.mesh.users.ALL``, a process of all."""
        return url_of(user, self.secrets.nats_password, f"127.0.0.1:{self.port}")

    async def prepare(self) -> None:
        """Writes the configuration file."""
        store = self.home.data / "nats"
        store.mkdir(mode=0o700, exist_ok=True)
        text = CONFIGURATION.format(
            port=self.port,
            authorization=authorization(
                {OPERATOR: None, **permissions()},
                lambda user: json.dumps(password_of(user, self.secrets.nats_password)),
            ),
            store=json.dumps(str(store)),
            sync=json.dumps(sync_interval()),
        )
        write_private(self.home.run / "nats.conf", text)

    def command(self) -> list[str]:
        """nats-server with its configuration file."""
        return [str(binaries.nats_server()), "--config", str(self.home.run / "nats.conf")]

    async def ready(self) -> bool:
        """Whether it takes the password and JetStream is on."""
        password = password_of(ALL, self.secrets.nats_password)
        log_in = {"user": ALL, "pass": password, "verbose": False}
        say = f"CONNECT {json.dumps(log_in)}\r\nPING\r\n".encode()
        answer = await converse(self.port, say, lines=2)  # INFO …, PONG
        return b'"jetstream":true' in answer and answer.endswith(b"PONG\r\n")


def password_of(user: str, secret: str) -> str:
    """Made from the one secret that is kept, which no password tells anything about."""
    return hmac.new(secret.encode(), user.encode(), hashlib.sha256).hexdigest()


def url_of(user: str, secret: str, where: str) -> str:
    """Where a user connects; ``where`` is host and port."""
    return f"nats://{user}:{password_of(user, secret)}@{where}"


def sync_interval() -> str:
    """LOYALNEST_NATS_SYNC: `always`, or a time such as `100ms`."""
    value = os.environ.get(SYNC_SETTING, "") or "100ms"
    number = value.rstrip("hms")
    if value != "always" and not (number.isdecimal() and value != number):
        raise EmbeddedError(f"{SYNC_SETTING}={value} is neither `always` nor a time like `100ms`.")
    return value
