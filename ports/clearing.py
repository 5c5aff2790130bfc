"""What a shop's ledger says of points that were moved between stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class ClearingMark(NamedTuple):
    """A place in the order of a shop's sums: month (``2026-05``, of UTC), then the other store."""

    month: str
    store: UUID


@dataclass(frozen=True, slots=True)
class ClearingAsked:
    """A page of the sums of what was moved from ``since`` and before ``until``, those that come
    after a place. None: without a bound."""

    merchant_id: UUID
    since: datetime | None
    until: datetime | None
    after: ClearingMark | None
    limit: int


class Cleared(NamedTuple):
    """Points that came to a shop from another in a month, and went there, in so many moves."""

    mark: ClearingMark
    points_in: int
    points_out: int
    moves: int


class Clearings(Protocol):
    """Works inside one transaction."""

    async def cleared(self, asked: ClearingAsked) -> Sequence[Cleared]: ...
