"""The orders of a shop again, to work out what another program would have given for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.points.simulation import PastOrder
from ports.earning import EarningFacts
from ports.programs import Programs


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` on, before ``end``."""

    start: datetime
    end: datetime


class PastOrders(Programs, EarningFacts, Protocol):
    """Works inside one transaction."""

    async def count_orders(self, merchant_id: UUID, placed: Period) -> int: ...

    async def past_orders(
        self, merchant_id: UUID, placed: Period, after: str, limit: int
    ) -> Sequence[PastOrder]:
        """By order id, those behind the id ``after``; under who stands for whoever ordered."""
        ...
