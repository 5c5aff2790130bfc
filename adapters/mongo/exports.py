"""``ports.statements.Exports`` on MongoDB: entries as documents, told as rows of PostgreSQL are."""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from adapters.mongo.collections import ENTRIES
from adapters.mongo.ledger_documents import read_lot
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import Document
from domain.points.chain import SEALED, Head, Stored
from domain.points.lot_books import Value
from ports.statements import ExportMark

TX: Final = 1
"""For the number of a transaction, which MongoDB does not have. Not 0, which says that an entry is
from a time when entries did not tell their lots."""
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

    async def head(self, merchant_id: UUID) -> Head | None:  # noqa: ARG002 - the port asks
        """None: nothing is sealed on MongoDB yet (docs/mongo.md)."""
        return None


def stored_of(document: Document) -> Stored:
    """An entry with the values that its digest is of, to the letter what they are where the same
    entry is in PostgreSQL, but for ``tx``."""
    customer_id: UUID = document["customer_id"]
    entry_id: UUID = document["_id"]
    uses = msgspec.to_builtins([read_lot(each) for each in document["uses"]])
    told: dict[str, Any] = document | {
        "entry_id": entry_id,
        "snapshot": None if document["snapshot"] is None else _as_jsonb(document["snapshot"]),
        "tx": TX,
        "uses": _as_jsonb(uses) if uses else None,
        "undoes": document.get("undoes"),
        "idle_days": document["idle_days"] or None,
    }
    return Stored(customer_id, entry_id, [_plain(told[name]) for name in SEALED])


def _plain(value: Any) -> Value:
    """Whole numbers of BSON are of a kind of their own."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    known: Value = value
    return known


def _as_jsonb(value: Any) -> str:
    """As PostgreSQL writes ``jsonb``, which keeps keys by length and then by their bytes."""
    return json.dumps(_in_order(value), ensure_ascii=False)


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: _in_order(value[name]) for name in names}
    return [_in_order(each) for each in value] if isinstance(value, list) else value
