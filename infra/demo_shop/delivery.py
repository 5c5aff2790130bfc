"""What Shopify puts on the wire: one delivery of one webhook."""

from datetime import datetime
from typing import Final, NamedTuple

SHOP_DOMAIN: Final = "demo-store.myshopify.com"
API_VERSION: Final = "2026-10"
CURRENCY: Final = "USD"
"""The shop's own currency."""


class Delivery(NamedTuple):
    """One webhook as it is sent. ``webhook_id`` is the delivery's own and comes again with a
    repeat; ``event_id`` is shared by all that one action of the merchant sets off."""

    topic: str
    webhook_id: str
    event_id: str
    triggered_at: datetime
    body: bytes
