"""By which names a sale is known, and which lines of tills' queues were taken."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class SaleName(NamedTuple):
    """``order:<id at Shopify>``, ``receipt:<number>`` or ``checkout:<digest>``."""

    merchant_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class TillLine:
    """A line that was taken: ``content`` tells it from others, ``sale`` is the content of the sale
    it told, and empty for a refund. ``order_id`` is what the ledger knows the sale by."""

    line_id: str
    order_id: str
    content: str
    sale: str
    location: str
    at: datetime


class Sales(Protocol):
    """Works inside one transaction. Names are held until it ends: two who tell of one sale come one
    after the other."""

    async def hold_sales(self, names: Iterable[SaleName]) -> Mapping[SaleName, str]:
        """What the ledger knows these sales by; nothing for a name that was never said."""
        ...

    async def name_sales(self, told: Mapping[SaleName, str]) -> None:
        """Remember what sales are known by. The names are held; a known one stays as it is."""
        ...

    async def take_over_refunds(self, merchant_id: UUID, moves: Mapping[str, str]) -> None:
        """What was refunded of these orders was of those that they turned out to be."""
        ...

    async def hold_till(self, merchant_id: UUID, till_id: str) -> None:
        """One queue of a till after the other, until the transaction ends."""
        ...

    async def till_lines(
        self, merchant_id: UUID, till_id: str, line_ids: Sequence[str]
    ) -> Mapping[str, TillLine]:
        """Those of these lines that were taken before."""
        ...

    async def sales_told(self, merchant_id: UUID, order_ids: Sequence[str]) -> Mapping[str, str]:
        """The content of the sales that tills have told, by what the ledger knows them by."""
        ...

    async def keep_lines(self, merchant_id: UUID, till_id: str, lines: Sequence[TillLine]) -> None:
        """Remember that these lines were taken."""
        ...
