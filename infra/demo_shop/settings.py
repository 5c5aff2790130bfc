"""Where the demo shop finds the edge, from the environment of the running system."""

from collections.abc import Mapping
from typing import Final

from infra.demo_shop.request import Target

_DEFAULT_PORT: Final = "8080"


class NotConfigured(Exception):
    """The environment does not say what the demo shop needs; the text is one line for a person."""


def target_of(environment: Mapping[str, str]) -> Target:
    """Raises NotConfigured."""
    port = environment.get("LOYALNEST_HTTP_PORT") or _DEFAULT_PORT
    secret = environment.get("LOYALNEST_SHOPIFY_CLIENT_SECRET")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise NotConfigured("LOYALNEST_HTTP_PORT is not a port.")
    if not secret:
        raise NotConfigured("LOYALNEST_SHOPIFY_CLIENT_SECRET is not set; is the system running?")
    return Target(int(port), secret)
