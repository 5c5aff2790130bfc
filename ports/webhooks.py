"""What taking in a webhook needs: proof of its origin, a translation, and a place that keeps it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.kit import Body
from ports.sealing import MerchantKey

IsGenuine = Callable[[bytes, str], bool]
"""(raw body, signature) → whether Shopify made the signature over exactly these bytes."""


class Translate(Protocol):
    def __call__(
        self,
        topic: str,
        raw: bytes,
        merchant_id: UUID,
        key: MerchantKey | None,
        triggered_at: datetime,
    ) -> Body:
        """Our own words for a webhook, with personal data sealed; without a key for that, without
        personal data. ``triggered_at`` is when that happened of which it tells. Raises
        InvalidRequest for a body that is not what its topic promises."""
        ...


Keep = Callable[[str, bytes, str], Awaitable[bool]]
"""(subject, payload, message id) → stored durably; False when that message id was stored before.
Raises Unavailable when it cannot be promised."""
