"""``ports.statements.Statements`` on MongoDB."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from adapters.mongo.collections import ENTRIES, ORDERS, WALLETS
from adapters.mongo.ledger import MongoLedger
from adapters.mongo.ledger_documents import read_entry
from adapters.mongo.values import ticks
from domain.points.statement import Entry
from domain.points.wallet import EMPTY, Wallet, apply
from ports.ledger import WalletKey
from ports.statements import Mark

_IN_ORDER: Final = (("at", 1), ("_id", 1))


class MongoStatements(MongoLedger):
    async def wallet_before(self, key: WalletKey, before: Mark | None) -> Wallet | None:
        own = await self._own(key)
        have = {"customer_id": {"$in": own}, "version": {"$gt": 0}}
        if not await self._transaction.count(WALLETS, {key.merchant_id: have}):
            return None
        wallet = EMPTY
        asked = {"customer_id": {"$in": own}, **_before(before)}
        for each in await self._transaction.find(ENTRIES, {key.merchant_id: asked}):
            wallet = apply(wallet, read_entry(each).draft)
        return wallet

    async def mark_of(self, key: WalletKey, entry_id: UUID) -> Mark | None:
        asked = {"customer_id": {"$in": await self._own(key)}, "_id": entry_id}
        found = await self._transaction.find(ENTRIES, {key.merchant_id: asked})
        return Mark(read_entry(found[0]).at, entry_id) if found else None

    async def entries_from(
        self, key: WalletKey, start: Mark, before: Mark | None, limit: int
    ) -> Sequence[Entry]:
        shop = key.merchant_id
        from_start = _beyond("$gt", start)
        from_start["$or"].append({"at": ticks(start.at), "_id": start.entry_id})
        asked = {
            "customer_id": {"$in": await self._own(key)},
            "$and": [from_start, _before(before)],
        }
        stored = await self._transaction.find(ENTRIES, {shop: asked}, sort=_IN_ORDER, limit=limit)
        entries = [read_entry(each) for each in stored]
        ids = [each.entry_id for each in entries]
        undone = {
            each["undoes"]: each["_id"]
            for each in await self._transaction.find(ENTRIES, {shop: {"undoes": {"$in": ids}}})
        }
        orders = list({each.draft.order_id for each in entries if each.draft.order_id})
        currencies = {
            each["order_id"]: each["facts"]["currency"]
            for each in await self._transaction.find(ORDERS, {shop: {"order_id": {"$in": orders}}})
            if each["facts"] is not None
        }
        return [
            Entry(
                each.entry_id,
                each.draft,
                each.at,
                undone.get(each.entry_id),
                currencies.get(each.draft.order_id, ""),
            )
            for each in entries
        ]


def _before(mark: Mark | None) -> Mapping[str, Any]:
    return {} if mark is None else _beyond("$lt", mark)


def _beyond(way: str, mark: Mark) -> dict[str, Any]:
    """What is before or behind a place in the order of a member's entries."""
    at = ticks(mark.at)
    return {"$or": [{"at": {way: at}}, {"at": at, "_id": {way: mark.entry_id}}]}
