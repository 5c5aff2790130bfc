"""``ports.pos.Sales`` in memory, as a part of ``adapters.memory.rewards``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from adapters.memory.ledger import MemoryLedger
from ports.ledger import OrderKey
from ports.pos import SaleName, TillLine


class MemorySales(MemoryLedger):
    def __init__(self) -> None:
        super().__init__()
        self._sale_names: dict[SaleName, str] = {}
        self._till_lines: dict[tuple[UUID, str], dict[str, TillLine]] = {}

    async def hold_sales(self, names: Iterable[SaleName]) -> Mapping[SaleName, str]:
        known = self._sale_names
        return {each: known[each] for each in names if each in known}

    async def name_sales(self, told: Mapping[SaleName, str]) -> None:
        self._sale_names = dict(told) | self._sale_names

    async def take_over_refunds(self, merchant_id: UUID, moves: Mapping[str, str]) -> None:
        for before, now in moves.items():
            found = self._refunds[OrderKey(merchant_id, before)]
            own = self._refunds[OrderKey(merchant_id, now)]
            for refund_id, refund in found.items():
                own.setdefault(refund_id, replace(refund, order_id=now))

    async def hold_till(self, merchant_id: UUID, till_id: str) -> None:
        """One transaction at a time: every till is held."""

    async def till_lines(
        self, merchant_id: UUID, till_id: str, line_ids: Sequence[str]
    ) -> Mapping[str, TillLine]:
        known = self._till_lines.get((merchant_id, till_id), {})
        return {each: known[each] for each in line_ids if each in known}

    async def sales_told(self, merchant_id: UUID, order_ids: Sequence[str]) -> Mapping[str, str]:
        return {
            line.order_id: line.sale
            for (merchant, _), lines in self._till_lines.items()
            for line in lines.values()
            if merchant == merchant_id and line.order_id in order_ids and line.sale
        }

    async def keep_lines(self, merchant_id: UUID, till_id: str, lines: Sequence[TillLine]) -> None:
        known = self._till_lines.setdefault((merchant_id, till_id), {})
        known.update({line.line_id: line for line in lines})
