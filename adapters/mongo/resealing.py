"""``ports.resealing.SealedRows`` on MongoDB: the codes of redemptions, which are all that is sealed
there."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from bson import Int64

from adapters.mongo.collections import REDEMPTIONS, RESEALING
from adapters.mongo.locks import RESEALING as RESEALING_LOCK
from adapters.mongo.locks import LockName
from adapters.mongo.rewards import redemption_lock
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import Document, instant, ticks
from ports.resealing import Errand, SealedRow
from ports.sealing import key_id_of

_START: Final = UUID(int=0)
_CODE: Final = "sealed_code"
_MOST_SHOPS: Final = 10_000


class MongoSealedRows:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._held: dict[UUID, Document] = {}

    async def begin(self, merchant_ids: Collection[UUID], now: datetime) -> None:
        await self._transaction.lock(map(_lock, merchant_ids))
        for merchant_id in merchant_ids:
            self._put(Errand(merchant_id, _START, now))

    async def due(self, now: datetime) -> Sequence[Errand]:
        found = await self._transaction.sweep(
            RESEALING, {"due_at": {"$lte": ticks(now)}}, sort=(("due_at", 1),), limit=_MOST_SHOPS
        )
        return [_errand(each) for each in found]

    async def under(
        self, errand: Errand, key_ids: Collection[str], limit: int
    ) -> Sequence[SealedRow]:
        merchant_id = errand.merchant_id
        condition = {"_id": {"$gt": errand.after}, f"{_CODE}_key": {"$in": list(key_ids)}}
        found = await self._transaction.find(
            REDEMPTIONS, {merchant_id: condition}, sort=(("_id", 1),), limit=limit
        )
        names = {redemption_lock(merchant_id, each["_id"]): each["_id"] for each in found}
        free = [names[each] for each in await self._transaction.lock_free(names)]
        # Once more, now that nobody changes them.
        held = await self._transaction.find(
            REDEMPTIONS, {merchant_id: {"_id": {"$in": free}}}, sort=(("_id", 1),)
        )
        self._held = {each["_id"]: each for each in held}
        return [
            SealedRow(row_id, {_CODE: each[_CODE]}, {_CODE: str(row_id)})
            for row_id, each in self._held.items()
        ]

    async def replace(self, merchant_id: UUID, rows: Sequence[SealedRow]) -> None:
        for row in rows:
            if merchant_id == self._held[row.row_id]["merchant_id"]:
                sealed = {_CODE: row.texts[_CODE], f"{_CODE}_key": key_id_of(row.texts[_CODE])}
                self._transaction.put(REDEMPTIONS, self._held[row.row_id] | sealed)

    async def advance(self, errand: Errand, after: UUID) -> Errand:
        further = errand._replace(after=after)
        if await self._is_still(errand):
            self._put(further)
        return further

    async def put_off(self, errand: Errand, due_at: datetime) -> None:
        if await self._is_still(errand):
            self._put(Errand(errand.merchant_id, _START, due_at))

    async def end(self, errand: Errand) -> None:
        if await self._is_still(errand):
            self._transaction.remove(RESEALING, {"merchant_id": errand.merchant_id})

    async def count(self, merchant_id: UUID, key_id: str) -> int:
        return await self._transaction.count(REDEMPTIONS, {merchant_id: {f"{_CODE}_key": key_id}})

    async def _is_still(self, errand: Errand) -> bool:
        """Whether it was not begun again meanwhile; held from here on."""
        await self._transaction.lock([_lock(errand.merchant_id)])
        found = await self._transaction.find(RESEALING, {errand.merchant_id: {}})
        return bool(found) and _errand(found[0]).due_at == errand.due_at

    def _put(self, errand: Errand) -> None:
        due_at: Int64 = ticks(errand.due_at)
        document = {"merchant_id": errand.merchant_id, "after": errand.after, "due_at": due_at}
        self._transaction.put(RESEALING, document)


def _lock(merchant_id: UUID) -> LockName:
    return LockName(RESEALING_LOCK, merchant_id, "")


def _errand(document: Document) -> Errand:
    return Errand(document["merchant_id"], document["after"], instant(document["due_at"]))
