"""Storefronts that ask us through Shopify's app proxy: whose page it is, and who looks at it."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from adapters.shopify.signatures import is_proxy_request
from domain.errors import Unauthenticated
from domain.shop_domain import normalised
from ports.clock import Clock

_MOST_FIELDS: Final = 100
_NOT_SHOPIFYS: Final = "Shopify has not signed this, or not within the last 90 seconds."


class Visitor(NamedTuple):
    """``customer_id`` is Shopify's, empty for somebody who is not logged in to the shop."""

    shop_domain: str
    customer_id: str


class AppProxy:
    """``secrets`` are the app's client secrets, the current one and the one before."""

    def __init__(self, secrets: Sequence[bytes], clock: Clock) -> None:
        self._secrets = tuple(secrets)
        self._clock = clock

    def visitor(self, query: str) -> Visitor:
        """Of whom the query of a proxied request tells. Raises Unauthenticated for one that
        Shopify did not sign just now, and for one that leaves open what it signed."""
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise Unauthenticated(_NOT_SHOPIFYS) from None
        now = int(self._clock.now().timestamp())
        if not is_proxy_request(pairs, self._secrets, now):
            raise Unauthenticated(_NOT_SHOPIFYS)
        shops = [value for name, value in pairs if name == "shop"]
        customers = [value for name, value in pairs if name == "logged_in_customer_id"]
        shop = normalised(shops[0]) if len(shops) == 1 else ""
        # An empty one is somebody who is not logged in; one that is not there is nobody's word.
        if not shop or len(customers) != 1:
            raise Unauthenticated(_NOT_SHOPIFYS)
        return Visitor(shop, customers[0])
