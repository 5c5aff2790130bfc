"""``ports.activities.EarningCounts`` on MongoDB, as a part of the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from datetime import date
from typing import Any
from uuid import UUID

from adapters.mongo.collections import BUYERS, COUNTS, ENTRIES, WALLETS
from adapters.mongo.ledger_documents import read_entry
from adapters.mongo.transaction import Transaction, in_shops
from adapters.mongo.wallets import MongoWallets
from domain.points.earning_limits import EVER, Counted
from domain.points.ledger import Source
from ports.activities import ActivityTold, CountKey, Days, Earned
from ports.earning import BuyerKey
from ports.ledger import WalletKey


class MongoEarningCounts(MongoWallets):
    """Knows wallets, because a member's counts are also those of all who were merged into them."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._counted: dict[tuple[CountKey, date], Counted] = defaultdict(Counted)

    async def members(self, keys: Iterable[BuyerKey]) -> Set[BuyerKey]:
        asked = set(keys)
        named = in_shops(asked, "customer_id")
        with_points = {
            shop: {**each, "$or": [{"version": {"$gt": 0}}, {"merged_into": {"$ne": None}}]}
            for shop, each in named.items()
        }
        found = await self._transaction.find(BUYERS, named)
        found += await self._transaction.find(WALLETS, with_points)
        return {BuyerKey(each["merchant_id"], each["customer_id"]) for each in found}

    async def activity(self, member: BuyerKey, rule: str, reference: str) -> ActivityTold | None:
        wanted = {
            "source_ref": reference,
            "source": Source.ACTIVITY.value,
            "rule": rule,
            "line": "",
        }
        found = await self._transaction.find(ENTRIES, {member.merchant_id: wanted})
        if not found:
            return None
        told = read_entry(found[0])
        earner: UUID = found[0]["customer_id"]
        last = await self._look(member.merchant_id, {earner, member.customer_id})
        is_theirs = last[earner][0] == last[member.customer_id][0]
        return ActivityTold(told.entry_id, told.draft.points, told.at, is_theirs)

    async def earned(self, asked: Mapping[CountKey, Days]) -> Mapping[CountKey, Earned]:
        found: dict[CountKey, Earned] = {}
        for merchant_id in {key.merchant_id for key in asked}:
            own = {key: days for key, days in asked.items() if key.merchant_id == merchant_id}
            found |= await self._earned_in(merchant_id, own)
        return found

    async def _earned_in(
        self, merchant_id: UUID, asked: Mapping[CountKey, Days]
    ) -> dict[CountKey, Earned]:
        known = await self._have_wallets(merchant_id, {key.customer_id for key in asked})
        lasts = {
            customer_id: last.customer_id
            for customer_id, (last, _) in (await self._look(merchant_id, known)).items()
        }
        people = await self._people(merchant_id, set(lasts.values()))
        stand_ins = {
            key: key._replace(customer_id=lasts[key.customer_id])
            for key in asked
            if key.customer_id in lasts
        }
        if not stand_ins:
            return {}
        ranges = [
            {
                "customer_id": {"$in": people[stand_in.customer_id]},
                "rule": key.rule,
                "day": day,
            }
            for key, stand_in in stand_ins.items()
            for day in (
                {"$gte": asked[key].first.isoformat(), "$lte": asked[key].last.isoformat()},
                EVER.isoformat(),
            )
        ]
        counts: dict[tuple[CountKey, date], Counted] = {}
        for each in await self._transaction.find(COUNTS, {merchant_id: {"$or": ranges}}):
            who = CountKey(merchant_id, each["customer_id"], each["rule"])
            day = date.fromisoformat(each["day"])
            counts[who, day] = Counted(each["times"], each["points"])
        for counted, more in self._counted.items():
            counts[counted] = counts.get(counted, Counted()) + more
        found = {}
        for key, stand_in in stand_ins.items():
            by_day: dict[date, Counted] = defaultdict(Counted)
            for (who, day), each_count in counts.items():
                is_one = who.rule == key.rule and who.customer_id in people[stand_in.customer_id]
                if is_one and (day == EVER or asked[key].first <= day <= asked[key].last):
                    by_day[day] += each_count
            found[key] = Earned(stand_in, dict(by_day))
        return found

    async def _have_wallets(self, merchant_id: UUID, customers: Set[UUID]) -> Set[UUID]:
        held = {each for each in customers if WalletKey(merchant_id, each) in self._wallets}
        wanted = {"customer_id": {"$in": list(customers - held)}}
        found = await self._transaction.find(WALLETS, {merchant_id: wanted}, fields=["customer_id"])
        return held | {each["customer_id"] for each in found}

    async def count(self, counted: Mapping[tuple[CountKey, date], Counted]) -> None:
        totals: dict[tuple[CountKey, date], Counted] = defaultdict(Counted)
        for (key, day), each in counted.items():
            totals[key, day] += each
            totals[key, EVER] += each
        for (key, day), each in totals.items():
            self._counted[key, day] += each
            document: dict[str, Any] = key._asdict() | {"day": day.isoformat()}
            more = {"times": each.times, "points": each.points}
            added = {
                name: {"$add": [{"$ifNull": [f"${name}", 0]}, number]}
                for name, number in more.items()
            }
            self._transaction.update(COUNTS, document, [{"$set": added}])
