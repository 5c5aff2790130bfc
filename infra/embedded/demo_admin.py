"""The demo shop's admin as a process of the stack: Shopify, as far as it is on this machine."""

from collections.abc import Mapping, Sequence

from infra.embedded.home import Home
from infra.embedded.services import Service

HOST = "127.0.0.1"
PORT_SETTING = "LOYALNEST_SHOPIFY_PORT"
BASE_SETTING = "LOYALNEST_SHOPIFY_API_BASE"


def api_base(port: int) -> str:
    """Where the admins of shops are when they are served here: ``{shop}`` becomes a domain."""
    return f"http://{HOST}:{port}/{{shop}}"


class DemoAdmin(Service):
    """Serves the admin of every shop there may be."""

    kind = "demo"

    def __init__(
        self, home: Home, port: int, environment: Mapping[str, str], serve: Sequence[str]
    ) -> None:
        super().__init__(home, "shopify", port, environment, serve)
        self.title = "The demo shop's admin"
