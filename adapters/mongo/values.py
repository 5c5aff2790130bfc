"""How values of ours look in BSON: times to the microsecond, amounts to the last digit.

BSON's own dates hold milliseconds. An entry that is moved from PostgreSQL must stay what it is, so
times that somebody computes with are kept as whole microseconds since 1970 (``long``); only what
housekeeping asks for, such as the age of a lock, is a date.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128, Int64

Document = dict[str, Any]
"""A document as the driver gives and takes it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


def ticks(at: datetime) -> Int64:
    """An aware time in microseconds since 1970."""
    return Int64((at - _EPOCH) // _TICK)


def ticks_or_none(at: datetime | None) -> Int64 | None:
    return None if at is None else ticks(at)


def instant(stored: int) -> datetime:
    return _EPOCH + stored * _TICK


def instant_or_none(stored: int | None) -> datetime | None:
    return None if stored is None else instant(stored)


def exact(amount: Decimal) -> Decimal128:
    """An amount with all its digits. Raises decimal.Inexact beyond 34 of them."""
    return Decimal128(amount)


def amount(document: Mapping[str, Any], name: str) -> Decimal:
    stored: Decimal128 = document[name]
    return stored.to_decimal()
