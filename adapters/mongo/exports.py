"""``ports.statements.Exports`` on MongoDB: entries as documents, told as rows of PostgreSQL are."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from adapters.mongo.chain_documents import stored_of
from adapters.mongo.collections import BLOCKS, ENTRIES
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import Document
from domain.points.chain import Head, Stored
from ports.statements import ExportMark

_BY_MEMBER: Final = (("customer_id", 1), ("_id", 1))


class MongoExports:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def stored(
        self, merchant_id: UUID, after: ExportMark | None, limit: int
    ) -> Sequence[Stored]:
        condition: Document = {}
        if after is not None:
            member, entry_id = after
            beyond = {"customer_id": member, "_id": {"$gt": entry_id}}
            condition["$or"] = [{"customer_id": {"$gt": member}}, beyond]
        found = await self._transaction.find(
            ENTRIES, {merchant_id: condition}, sort=_BY_MEMBER, limit=limit
        )
        return [stored_of(each) for each in found]

    async def head(self, merchant_id: UUID) -> Head | None:
        found = await self._transaction.find(
            BLOCKS, {merchant_id: {}}, fields=("number", "hash"), sort=(("number", -1),), limit=1
        )
        return Head(found[0]["number"], found[0]["hash"]) if found else None
