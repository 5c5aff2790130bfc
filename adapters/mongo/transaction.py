"""One transaction: what it reads under its locks, and what it writes at its end, all at once."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from adapters.mongo.client import Session, aggregated
from adapters.mongo.collections import MOVES
from adapters.mongo.locks import LockName, Locks, Turns
from adapters.mongo.schema import Collection
from adapters.mongo.scope import Scope
from adapters.mongo.values import Document
from domain.errors import Unavailable
from ports.clock import Clock
from ports.moving import ShopMoving

COMMIT_SECONDS: Final = 30.0
"""How long to try to commit, an election of a new primary included."""

_SNAPSHOT: Final = ReadConcern("snapshot")
_DURABLE: Final = WriteConcern("majority", j=True)

Conditions = Mapping[UUID, Mapping[str, Any]]
"""What is looked for, by shop."""
_Write = InsertOne[Document] | ReplaceOne[Document] | UpdateOne | DeleteOne


class Transaction:
    """Reads see what others have committed and what this one has put; of everything else that it
    is going to write they know nothing."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        session: Session,
        collections: Mapping[str, Collection],
        scope: Scope,
        turns: Turns,
        clock: Clock,
    ) -> None:
        self.scope = scope
        self._database = database
        self._session = session
        self._collections = collections
        self._locks = Locks(database["locks"], session, turns, clock)
        self._puts: dict[tuple[str, tuple[Any, ...]], Document] = {}
        self._writes: dict[str, list[_Write]] = {}
        self._shops: set[UUID] = set()
        """Those for which something is written."""
        self._committed = False

    async def enter(self) -> None:
        """See whether the shops that this is about live here. Of all shops those that do not are
        left out; for one of its own this raises ShopMoving."""
        condition: Mapping[str, Any] = {"standing": {"$gt": ""}}
        if self.scope.shops is not None:
            condition = {"merchant_id": {"$in": sorted(self.scope.shops)}}
        elsewhere = await self._elsewhere(condition)
        if self.scope.shops is None:
            self.scope = replace(self.scope, elsewhere=elsewhere)
        elif elsewhere:
            raise ShopMoving(elsewhere)

    async def _elsewhere(self, condition: Mapping[str, Any]) -> frozenset[UUID]:
        found = await self._find(MOVES, condition, ("merchant_id",), (), 0)
        return frozenset(each["merchant_id"] for each in found)

    async def lock(self, names: Iterable[LockName]) -> None:
        """Hold these until the end; whoever else wants one of them waits. To be called before
        what they stand for is read. Raises Unavailable when they are not to be had."""
        wanted = list(names)
        self.scope.insist(name.merchant_id for name in wanted)
        await self._locks.take(wanted)

    async def lock_free(self, names: Iterable[LockName]) -> Sequence[LockName]:
        """Hold those of these that are free."""
        wanted = list(names)
        self.scope.insist(name.merchant_id for name in wanted)
        return await self._locks.take_free(wanted)

    async def find(
        self,
        collection: Collection,
        conditions: Conditions,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[Document]:
        """The documents of these shops for which the shop's condition holds; a shop that this
        transaction is not about has none."""
        query = self._seen(conditions)
        return [] if query is None else await self._find(collection, query, fields, sort, limit)

    async def count(self, collection: Collection, conditions: Conditions) -> int:
        """How many ``find`` would find."""
        query = self._seen(conditions)
        if query is None:
            return 0
        documents = self._database[collection.name]
        return await documents.count_documents(query, session=self._session)

    async def aggregate(
        self,
        collection: Collection,
        merchant_id: UUID,
        condition: Mapping[str, Any],
        stages: Sequence[Mapping[str, Any]],
    ) -> list[Document]:
        """What comes out of ``stages`` when a shop's documents for which the condition holds go
        in, as they are committed; few. A stage that looks elsewhere has to name the shop itself."""
        query = self._seen({merchant_id: condition})
        if query is None:
            return []
        documents = self._database[collection.name]
        return await aggregated(documents, [{"$match": query}, *stages], self._session)

    def _seen(self, conditions: Conditions) -> Mapping[str, Any] | None:
        """What to ask for, of the shops that this transaction is about; None for nothing."""
        each = [
            {"merchant_id": merchant_id, **condition}
            for merchant_id, condition in conditions.items()
            if self.scope.sees(merchant_id)
        ]
        if len(each) > 1:
            return {"$or": each}
        return each[0] if each else None

    async def sweep(
        self,
        collection: Collection,
        condition: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]],
        limit: int,
    ) -> list[Document]:
        """The documents of any shop that this transaction is about: only of a collection that
        loops look through (``Collection.swept``)."""
        if not set(condition) <= set(collection.swept):
            raise TypeError(f"{collection.name} is not swept by {set(condition)}")
        if self.scope.shops is not None:
            condition = {"merchant_id": {"$in": sorted(self.scope.shops)}, **condition}
        elif self.scope.elsewhere:
            condition = {"merchant_id": {"$nin": sorted(self.scope.elsewhere)}, **condition}
        return await self._find(collection, condition, None, sort, limit)

    async def find_of_no_shop(
        self, collection: Collection, condition: Mapping[str, Any]
    ) -> list[Document]:
        if not collection.no_shop:
            raise TypeError(f"{collection.name} is kept by shop")
        return await self._find(collection, condition, None, (), 0)

    async def _find(
        self,
        collection: Collection,
        query: Mapping[str, Any],
        fields: Sequence[str] | None,
        sort: Sequence[tuple[str, int]],
        limit: int,
    ) -> list[Document]:
        shown = None if fields is None else dict.fromkeys(fields, 1) | {"_id": 0}
        cursor = self._database[collection.name].find(query, shown, session=self._session)
        if sort:
            cursor = cursor.sort(list(sort))
        if limit:
            cursor = cursor.limit(limit)
        return await cursor.to_list(None)

    def insert(self, collection: Collection, document: Document) -> None:
        if not collection.no_shop:
            self._write_for(document["merchant_id"])
        self._write(collection, InsertOne(document))

    def put(self, collection: Collection, document: Document) -> None:
        """Let this be the document of its key, which is locked. The last one put counts."""
        key = self._key(collection, document)
        self._puts[collection.name, tuple(key.values())] = document

    def update(
        self, collection: Collection, key: Mapping[str, Any], change: Sequence[Mapping[str, Any]]
    ) -> None:
        """Change the document of a key, or make it, by what it is when that is done: for what is
        not locked. ``change`` is a pipeline."""
        self._write(
            collection,
            UpdateOne(self._key(collection, key), [dict(each) for each in change], upsert=True),
        )

    def remove(self, collection: Collection, key: Mapping[str, Any]) -> None:
        found = self._key(collection, key)
        self._puts.pop((collection.name, tuple(found.values())), None)
        self._write(collection, DeleteOne(found))

    def _key(self, collection: Collection, document: Mapping[str, Any]) -> dict[str, Any]:
        """By what a document is found to be changed. Raises TypeError where nothing may be."""
        if collection.append_only:
            raise TypeError(f"{collection.name} only grows")
        if not collection.no_shop:
            self._write_for(document["merchant_id"])
        return {name: document[name] for name in collection.key}

    def _write_for(self, merchant_id: UUID) -> None:
        self.scope.insist([merchant_id])
        self._shops.add(merchant_id)

    def _write(self, collection: Collection, write: _Write) -> None:
        self._writes.setdefault(collection.name, []).append(write)

    async def commit(self) -> None:
        """Write everything, or raise and write nothing. What another transaction was quicker with
        is tried again, because all that is written is known; so is a commit of which nobody knows
        whether it happened."""
        for name, key in self._puts:
            document = self._puts[name, key]
            wanted = dict(zip(self._collections[name].key, key, strict=True))
            self._write(self._collections[name], ReplaceOne(wanted, document, upsert=True))
        self._puts.clear()
        if not self._writes:
            return
        await self._locks.be_present(self._shops)
        committing = asyncio.create_task(self._write_together())
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            # Cut in the middle, it could be begun at the server after it was given up here, and
            # hold all that it writes until the server finds out, a minute or more later.
            await asyncio.gather(committing, return_exceptions=True)
            raise

    async def _write_together(self) -> None:
        async with asyncio.timeout(COMMIT_SECONDS):
            await self._session.with_transaction(
                self._write_all, read_concern=_SNAPSHOT, write_concern=_DURABLE
            )
        self._committed = True

    async def _write_all(self, session: Session) -> None:
        if self._locks.any and not await self._locks.give_back():
            raise Unavailable("A lock was lost to somebody else; try again.")
        if self._shops:
            elsewhere = await self._elsewhere({"merchant_id": {"$in": sorted(self._shops)}})
            if elsewhere:
                raise ShopMoving(elsewhere)
        for name, writes in self._writes.items():
            await self._database[name].bulk_write(writes, session=session)

    async def end(self) -> None:
        """Let go of everything."""
        try:
            if not self._committed:
                await self._locks.drop()
        except PyMongoError:
            return  # the server is away; its locks are taken over after a while
        finally:
            self._locks.end()


def in_shops(keys: Iterable[tuple[UUID, object]], name: str) -> Conditions:
    """The documents in which ``name`` is one of these, shop by shop."""
    found: dict[UUID, list[object]] = defaultdict(list)
    for merchant_id, each in keys:
        found[merchant_id].append(each)
    return {merchant_id: {name: {"$in": each}} for merchant_id, each in found.items()}
