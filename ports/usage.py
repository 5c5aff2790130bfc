"""What shops use of their plans: orders per calendar month (UTC), each counted once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.plans import Plan


class CountedOrder(NamedTuple):
    """``month`` is the first day of the month the order was made in."""

    merchant_id: UUID
    month: date
    order_id: str


class Counted(NamedTuple):
    """A shop's orders in a month, before and after some were counted."""

    merchant_id: UUID
    month: date
    before: int
    after: int


class UsageBook(Protocol):
    """Works inside one transaction. Those that count for the same shop come one after another."""

    async def count(self, orders: Iterable[CountedOrder]) -> Sequence[Counted]:
        """Count orders that were not counted before; returns the months that have more now."""
        ...

    async def plans(self, merchants: Iterable[UUID]) -> Mapping[UUID, Plan]:
        """The plans of these shops; one without settings is left out."""
        ...

    async def orders(self, merchant_id: UUID, month: date) -> int:
        """How many orders of a month have been counted."""
        ...

    async def members(self, merchant_id: UUID) -> int:
        """How many members the shop has."""
        ...
