"""Privacy requests: their kinds, and how long we may take."""

from datetime import datetime, timedelta
from enum import StrEnum


class RequestKind(StrEnum):
    """What a person or a shop may ask for under the GDPR and the CCPA."""

    DATA_REQUEST = "data_request"
    CUSTOMER_REDACT = "customer_redact"
    SHOP_REDACT = "shop_redact"


class RequestState(StrEnum):
    RECEIVED = "received"
    COLLECTING = "collecting"
    COMPLETED = "completed"
    FAILED = "failed"


TIME_TO_ANSWER = timedelta(days=30)
"""Shopify's requirement for the compliance webhooks, and the month of GDPR art. 12 (3)."""


def due_at(received_at: datetime) -> datetime:
    return received_at + TIME_TO_ANSWER
