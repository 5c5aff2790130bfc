"""``ports.pos.Sales`` on MongoDB, as a part of what redeeming needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from adapters.mongo.collections import SALE_NAMES, TILL_LINES
from adapters.mongo.locks import SALE, TILL, LockName
from adapters.mongo.orders import MongoOrders
from adapters.mongo.transaction import Transaction, in_shops
from adapters.mongo.values import Document, instant, ticks
from ports.ledger import OrderKey
from ports.pos import SaleName, TillLine


class MongoSales(MongoOrders):
    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._sale_names: dict[SaleName, str] = {}
        self._till_lines: dict[tuple[UUID, str], dict[str, TillLine]] = {}

    async def hold_sales(self, names: Iterable[SaleName]) -> Mapping[SaleName, str]:
        asked = set(names)
        await self._transaction.lock(LockName(SALE, *each) for each in asked)
        found = await self._transaction.find(SALE_NAMES, in_shops(asked, "name"))
        known = {SaleName(each["merchant_id"], each["name"]): each["order_id"] for each in found}
        return known | {each: self._sale_names[each] for each in asked & self._sale_names.keys()}

    async def name_sales(self, told: Mapping[SaleName, str]) -> None:
        known = await self.hold_sales(told)
        for name, order_id in told.items():
            if name not in known:
                self._sale_names[name] = order_id
                self._transaction.put(SALE_NAMES, name._asdict() | {"order_id": order_id})

    async def take_over_refunds(self, merchant_id: UUID, moves: Mapping[str, str]) -> None:
        keys = [OrderKey(merchant_id, each) for each in {*moves, *moves.values()}]
        known = await self.lock_orders(keys)
        for before, now in moves.items():
            refunds = known[OrderKey(merchant_id, before)].refunds
            own = [replace(each, order_id=now) for each in refunds]
            await self.learn_refunds({OrderKey(merchant_id, now): own})

    async def hold_till(self, merchant_id: UUID, till_id: str) -> None:
        await self._transaction.lock([LockName(TILL, merchant_id, till_id)])

    async def till_lines(
        self, merchant_id: UUID, till_id: str, line_ids: Sequence[str]
    ) -> Mapping[str, TillLine]:
        wanted = {"till_id": till_id, "line_id": {"$in": list(line_ids)}}
        found = await self._transaction.find(TILL_LINES, {merchant_id: wanted})
        own = self._till_lines.get((merchant_id, till_id), {})
        lines = {each["line_id"]: _line(each) for each in found} | own
        return {each: lines[each] for each in line_ids if each in lines}

    async def sales_told(self, merchant_id: UUID, order_ids: Sequence[str]) -> Mapping[str, str]:
        wanted = {"order_id": {"$in": list(order_ids)}, "sale": {"$gt": ""}}
        found = await self._transaction.find(TILL_LINES, {merchant_id: wanted})
        lines = [_line(each) for each in found]
        for (shop, _), own in self._till_lines.items():
            if shop == merchant_id:
                lines += [each for each in own.values() if each.order_id in order_ids and each.sale]
        told: dict[str, str] = {}
        for line in lines:
            told[line.order_id] = min(told.get(line.order_id, line.sale), line.sale)
        return told

    async def keep_lines(self, merchant_id: UUID, till_id: str, lines: Sequence[TillLine]) -> None:
        own = self._till_lines.setdefault((merchant_id, till_id), {})
        for line in lines:
            own[line.line_id] = line
            self._transaction.insert(
                TILL_LINES,
                {
                    "merchant_id": merchant_id,
                    "till_id": till_id,
                    "line_id": line.line_id,
                    "order_id": line.order_id,
                    "content": line.content,
                    "sale": line.sale,
                    "location": line.location,
                    "at": ticks(line.at),
                },
            )


def _line(document: Document) -> TillLine:
    return TillLine(
        document["line_id"],
        document["order_id"],
        document["content"],
        document["sale"],
        document["location"],
        instant(document["at"]),
    )
