"""``ports.clearing.Clearings`` on MongoDB: added up where the documents are."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from adapters.mongo.collections import ENTRIES
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import ticks
from domain.points.ledger import Source
from ports.clearing import Cleared, ClearingAsked, ClearingMark

_MONTH: Final = {
    "$dateToString": {
        "format": "%Y-%m",
        "date": {"$toDate": {"$toLong": {"$divide": ["$at", 1000]}}},
    }
}
_SUMS: Final = {
    "$group": {
        "_id": {"month": _MONTH, "store": "$rule"},
        "points_in": {"$sum": {"$max": ["$points", 0]}},
        "points_out": {"$sum": {"$max": [{"$multiply": ["$points", -1]}, 0]}},
        "moves": {"$sum": 1},
    }
}


class MongoClearings:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def cleared(self, asked: ClearingAsked) -> Sequence[Cleared]:
        # The rule of such an entry is the other store. Ids sort as their texts do.
        moved: dict[str, Any] = {"source": Source.POOL.value}
        bounds = {"$gte": asked.since, "$lt": asked.until}
        within = {how: ticks(at) for how, at in bounds.items() if at is not None}
        if within:
            moved["at"] = within
        stages: list[dict[str, Any]] = [_SUMS]
        if asked.after is not None:
            month, store = asked.after.month, str(asked.after.store)
            beyond = [
                {"_id.month": {"$gt": month}},
                {"_id.month": month, "_id.store": {"$gt": store}},
            ]
            stages.append({"$match": {"$or": beyond}})
        stages += [{"$sort": {"_id.month": 1, "_id.store": 1}}, {"$limit": asked.limit}]
        found = await self._transaction.aggregate(ENTRIES, asked.merchant_id, moved, stages)
        return [
            Cleared(
                ClearingMark(each["_id"]["month"], UUID(each["_id"]["store"])),
                each["points_in"],
                each["points_out"],
                each["moves"],
            )
            for each in found
        ]
