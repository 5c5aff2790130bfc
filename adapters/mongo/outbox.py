"""``adapters.nats.outbox.Outbox`` on MongoDB: a document for what is said of a shop at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from pymongo import DeleteOne, UpdateOne

from adapters.mongo.collections import OUTBOX
from adapters.mongo.database import MongoDatabase
from adapters.mongo.transaction import Transaction
from adapters.nats.outbox import outbox_row, read_outbox
from ports.events import Said

_OLDEST_FIRST: Final = [("at", 1)]


class MongoOutbox:
    def __init__(self, database: MongoDatabase) -> None:
        self.service = database.service
        self._database = database
        self._outbox = database.collection(OUTBOX.name)

    async def remove(self, done: Sequence[Said], kept: Sequence[Said]) -> None:
        changes: list[DeleteOne | UpdateOne] = [DeleteOne(_where(said)) for said in done]
        changes += [
            UpdateOne(_where(said), {"$set": {"events": outbox_row(said)}}) for said in kept
        ]
        async with self._database.words():
            await self._outbox.bulk_write(changes, ordered=False)

    async def oldest(self) -> datetime | None:
        async with self._database.words():
            found = await self._outbox.find_one({}, {"at": 1, "_id": 0}, sort=_OLDEST_FIRST)
        return None if found is None else found["at"]

    async def left(self, before: datetime, skip: int, most: int) -> Sequence[Said]:
        # Of all shops: what a crash left may be anybody's.
        found = self._outbox.find({"at": {"$lt": before}})
        cursor = found.sort(_OLDEST_FIRST).skip(skip).limit(most)
        async with self._database.words():
            return [
                read_outbox(each["_id"], each["at"], each["events"])
                for each in await cursor.to_list(None)
            ]

    async def forget(self, inbox_before: datetime, answers_before: datetime) -> None:
        """MongoDB does that by itself (``Collection.kept_seconds``)."""


def write_outbox(transaction: Transaction, merchant_id: UUID, said: Said) -> None:
    transaction.insert(
        OUTBOX,
        {"_id": said.id, "merchant_id": merchant_id, "at": said.at, "events": outbox_row(said)},
    )


def _where(said: Said) -> dict[str, UUID]:
    return {"merchant_id": UUID(said.events[0].subject.rpartition(".")[2]), "_id": said.id}
