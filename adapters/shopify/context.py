"""For whom a webhook is translated."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ports.sealing import MerchantKey, Sealer


class MerchantContext(NamedTuple):
    """The shop that a webhook came from, as the edge knows it, and when that happened there of
    which it tells."""

    merchant_id: UUID
    key: MerchantKey | None
    triggered_at: datetime


class Sealing(NamedTuple):
    """The shop and the means to seal for it: what a translation needs beside the payload."""

    merchant: MerchantContext
    sealer: Sealer
