"""What may be asked of a shop's Admin API now: a bucket of points that all processes share."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from uuid import UUID


class Lane(Enum):
    """Who waits. Bulk work leaves a part of the bucket to those for whom somebody waits."""

    SOMEBODY_WAITS = "somebody waits"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Level:
    """A shop's bucket as Shopify has told it, in points; ``rate`` is what it gets back a second."""

    available: float
    maximum: float
    rate: float


class ShopifyLimits(Protocol):
    """Neither raises: where nobody can be asked, Shopify bounds by itself."""

    async def take(self, merchant_id: UUID, cost: float, lane: Lane) -> float:
        """Take ``cost`` points if they are there: 0. Otherwise nothing is taken, and the answer is
        in how many seconds they may be."""
        ...

    async def settle(
        self, merchant_id: UUID, taken: float, cost: float, told: Level | None
    ) -> None:
        """What was taken has cost ``cost`` in truth, and Shopify has told how things are."""
        ...
