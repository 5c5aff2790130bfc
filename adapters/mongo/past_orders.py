"""``ports.past_orders.PastOrders`` on MongoDB."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from adapters.mongo.collections import ORDERS
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.ledger_documents import read_order
from adapters.mongo.transaction import Conditions
from adapters.mongo.values import ticks
from domain.points.simulation import PastOrder
from ports.past_orders import Period


class MongoPastOrders(MongoLedger):
    async def count_orders(self, merchant_id: UUID, placed: Period) -> int:
        return await self._transaction.count(ORDERS, _placed(merchant_id, placed, ""))

    async def past_orders(
        self, merchant_id: UUID, placed: Period, after: str, limit: int
    ) -> Sequence[PastOrder]:
        found = await self._transaction.find(
            ORDERS, _placed(merchant_id, placed, after), sort=(("order_id", 1),), limit=limit
        )
        orders = [
            PastOrder(facts, refunds)
            for facts, refunds in map(read_order, found)
            if facts is not None
        ]
        members = await self._look(merchant_id, {each.facts.customer_id for each in orders})
        return [
            each._replace(
                facts=replace(
                    each.facts, customer_id=members[each.facts.customer_id][0].customer_id
                )
            )
            for each in orders
        ]


def _placed(merchant_id: UUID, placed: Period, after: str) -> Conditions:
    at = {"$gte": ticks(placed.start), "$lt": ticks(placed.end)}
    return {merchant_id: {"facts.created_at": at, "order_id": {"$gt": after}}}
