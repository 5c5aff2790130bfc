"""``ports.unit.Journal`` on MongoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bson import Binary

from adapters.journal import inbox_key, input_hashes
from adapters.mongo.collections import ANSWERS, INBOX
from adapters.mongo.locks import KEY, LockName
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import Document
from domain.errors import DuplicateRequest


class MongoJournal:
    def __init__(
        self, transaction: Transaction, now: datetime, input_keys: Sequence[bytes]
    ) -> None:
        self._transaction = transaction
        self._now = now
        self._input_keys = input_keys
        self._claimed: set[tuple[str, UUID]] = set()
        self._taken: dict[tuple[UUID, str, str], Document] = {}

    async def claim(self, consumer: str, event_ids: Sequence[str]) -> set[str]:
        """Two at once are told apart when they commit: the second fails, and tries again."""
        named = {inbox_key(event_id): event_id for event_id in event_ids}
        found = await self._transaction.find_of_no_shop(
            INBOX, {"consumer": consumer, "event": {"$in": list(named)}}
        )
        known = {each["event"] for each in found}
        known |= {event for by, event in self._claimed if by == consumer}
        fresh = named.keys() - known
        for event in fresh:
            self._claimed.add((consumer, event))
            self._transaction.insert(INBOX, {"event": event, "consumer": consumer, "at": self._now})
        return {named[event] for event in fresh}

    async def claim_key(
        self, merchant_id: UUID, operation: str, key: str, request: bytes
    ) -> bytes | None:
        hashes = input_hashes(self._input_keys, request)
        where = (merchant_id, operation, key)
        await self._transaction.lock([LockName(KEY, merchant_id, f"{operation} {key}")])
        known: Mapping[str, Any] | None = self._taken.get(where)
        if known is None:
            found = await self._transaction.find(
                ANSWERS, {merchant_id: {"operation": operation, "key": key}}
            )
            known = found[0] if found else None
        if known is None:
            document: Document = {
                "merchant_id": merchant_id,
                "operation": operation,
                "key": key,
                "input_hash": Binary(hashes[0]),
                "answer": None,
                "at": self._now,
            }
            self._taken[where] = document
            self._transaction.put(ANSWERS, document)
            return None
        if bytes(known["input_hash"]) not in hashes:
            raise DuplicateRequest
        return bytes(known["answer"])

    async def keep_answer(self, merchant_id: UUID, operation: str, key: str, answer: bytes) -> None:
        self._taken[merchant_id, operation, key]["answer"] = Binary(answer)
