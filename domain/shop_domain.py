"""The domain a shop has at Shopify: what it is known by, everywhere and for ever."""

import re
from typing import Final

_DOMAIN: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,62}\.myshopify\.com")


def normalised(domain: str) -> str:
    """The domain as it is stored; empty for what is no shop's domain."""
    return domain.lower() if _DOMAIN.fullmatch(domain) is not None else ""
