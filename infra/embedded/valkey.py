"""The embedded Valkey server (it speaks Redis)."""

import json

from infra.embedded import binaries
from infra.embedded.home import write_private
from infra.embedded.server import Server, converse

CONFIGURATION = """\
# Written by every start; changes here are lost.
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir {folder}
# The append-only file alone: snapshots beside it would cost a fork and add nothing.
appendonly yes
appendfsync everysec
save ""
daemonize no
"""


class ValkeyServer(Server):
    """Valkey on loopback, with a password and an append-only file."""

    name = "valkey"
    title = "Valkey"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://:{self.secrets.valkey_password}@127.0.0.1:{self.port}/0"

    async def prepare(self) -> None:
        """Writes the configuration file."""
        folder = self.home.data / "valkey"
        folder.mkdir(mode=0o700, exist_ok=True)
        text = CONFIGURATION.format(
            port=self.port, password=self.secrets.valkey_password, folder=json.dumps(str(folder))
        )
        write_private(self.home.run / "valkey.conf", text)

    def command(self) -> list[str]:
        """valkey-server with its configuration file."""
        return [str(binaries.valkey_server()), str(self.home.run / "valkey.conf")]

    async def ready(self) -> bool:
        """Whether it takes the password and has read its data."""
        say = f"AUTH {self.secrets.valkey_password}\r\nPING\r\n".encode()
        return await converse(self.port, say, lines=2) == b"+OK\r\n+PONG\r\n"
