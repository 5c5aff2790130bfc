"""``ports.liability.Holdings`` on MongoDB: added up where the documents are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.mongo.collections import BUYERS, ENTRIES, LOTS, WALLETS
from adapters.mongo.programs import MongoPrograms
from adapters.mongo.values import Document, instant, ticks
from domain.points.ledger import EntryKind
from ports.liability import ExpiringHolding, TierHolding

# Every time zone is some quarters of an hour from UTC, so no month begins within one.
_QUARTER: Final = 15 * 60 * 1_000_000
_KIND: Final = {"$ifNull": ["$reverses", "$kind"]}


def _sum_if(condition: object, amount: object) -> Document:
    return {"$sum": {"$cond": [condition, amount, 0]}}


def _used_as(kind: EntryKind) -> Document:
    return _sum_if({"$eq": [_KIND, kind.value]}, {"$multiply": ["$points", -1]})


_THEN: Final = {
    "$group": {
        "_id": "$customer_id",
        "customer_id": {"$first": "$customer_id"},
        "spendable": _sum_if({"$not": ["$pending"]}, "$points"),
        "pending": _sum_if("$pending", "$points"),
        "spent": _used_as(EntryKind.REDEEM),
        "expired": _used_as(EntryKind.EXPIRE),
    }
}
"""Wallets as their entries make them."""


def _by_tier(merchant_id: UUID) -> Sequence[Document]:
    spendable, pending = "$spendable", "$pending"
    any_points = {"$or": [{"$gt": [spendable, 0]}, {"$gt": [pending, 0]}]}
    return (
        {
            "$lookup": {
                "from": BUYERS.name,
                "localField": "customer_id",
                "foreignField": "customer_id",
                "pipeline": [{"$match": {"merchant_id": merchant_id}}],
                "as": "buyer",
            }
        },
        {
            "$group": {
                "_id": {"$ifNull": [{"$first": "$buyer.tier"}, ""]},
                "members": _sum_if(any_points, 1),
                "spendable": {"$sum": {"$max": [spendable, 0]}},
                "pending": {"$sum": {"$max": [pending, 0]}},
                "debts": {"$sum": {"$add": [{"$min": [spendable, 0]}, {"$min": [pending, 0]}]}},
                "spent": {"$sum": "$spent"},
                "expired": {"$sum": "$expired"},
            }
        },
        {"$sort": {"_id": 1}},
    )


class MongoHoldings(MongoPrograms):
    async def held(self, merchant_id: UUID, at: datetime | None) -> Sequence[TierHolding]:
        by_tier = _by_tier(merchant_id)
        if at is None:
            found = await self._transaction.aggregate(WALLETS, merchant_id, {}, by_tier)
        else:
            until = {"at": {"$lte": ticks(at)}}
            found = await self._transaction.aggregate(
                ENTRIES, merchant_id, until, (_THEN, *by_tier)
            )
        return [_holding(each) for each in found]

    async def expiring(self, merchant_id: UUID, zone: str) -> Sequence[ExpiringHolding]:
        # Months are told apart here: the server has time zones of its own, which may be older.
        quarter = {"$subtract": ["$expires_at", {"$mod": ["$expires_at", _QUARTER]}]}
        found = await self._transaction.aggregate(
            LOTS, merchant_id, {}, ({"$group": {"_id": quarter, "points": {"$sum": "$left"}}},)
        )
        months: dict[str, int] = defaultdict(int)
        for each in found:
            ends_at = each["_id"]
            local = None if ends_at is None else instant(ends_at).astimezone(ZoneInfo(zone))
            months["" if local is None else f"{local:%Y-%m}"] += each["points"]
        return [ExpiringHolding(*each) for each in sorted(months.items())]


def _holding(found: Mapping[str, Any]) -> TierHolding:
    return TierHolding(
        found["_id"],
        found["members"],
        found["spendable"],
        found["pending"],
        found["debts"],
        found["spent"],
        found["expired"],
    )
