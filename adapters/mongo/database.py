"""One service's MongoDB database: its client, its collections, and its errors in our words."""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from adapters.mongo.client import Session, close, open_client, session_of
from adapters.mongo.drivers import PYMONGO
from adapters.mongo.locks import Turns
from adapters.mongo.schema import Collection
from adapters.mongo.scope import Scope
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import Document
from domain.errors import Unavailable
from ports.clock import Clock

_AWAY: Final = (ConnectionFailure, ExecutionTimeout, WTimeoutError, OSError, TimeoutError)
_LABELS: Final = (
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
    "RetryableWriteError",
)
_OUT_OF_DISK_SPACE: Final = 14031
_NO_ROOM: Final = os.strerror(errno.ENOSPC)
_NAMESPACE_EXISTS: Final = 48
_DUPLICATE: Final = 11000
_MOMENT_IS_GONE: Final = (239, 246)  # SnapshotTooOld, SnapshotUnavailable
_AT_ONCE: Final = 1000


def is_away(error: BaseException) -> bool:
    """Whether ``error`` says that the database could not do it now, rather than not at all."""
    if isinstance(error, _AWAY):
        return True
    if not isinstance(error, PyMongoError):
        return False
    return any(map(error.has_error_label, _LABELS)) or _is_full(error)


def _is_full(error: PyMongoError) -> bool:
    """Whether the server's disk is. It has a number for that, but mostly passes on what its system
    says, under numbers that mean anything; where it cannot write its journal it ends."""
    if not isinstance(error, OperationFailure):
        return False
    details = error.details or {}
    said = [details, *details.get("writeErrors", ())]
    return error.code == _OUT_OF_DISK_SPACE or any(
        each.get("code") == _OUT_OF_DISK_SPACE or _NO_ROOM in each.get("errmsg", "")
        for each in said
    )


def code_of(error: BaseException) -> int:
    """MongoDB's number for what was wrong, that of the first write of many; 0 for none."""
    if isinstance(error, BulkWriteError):
        errors: Sequence[Mapping[str, Any]] = (error.details or {}).get("writeErrors", ())
        return int(errors[0]["code"]) if errors else 0
    return (error.code or 0) if isinstance(error, OperationFailure) else 0


class Moment:
    """Reads everything as it was at one moment, a few documents at a time, and changes nothing."""

    def __init__(self, database: AsyncDatabase[Document], session: Session) -> None:
        self._database = database
        self._session = session

    async def find(
        self,
        collection: Collection,
        merchant_id: UUID,
        condition: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (),
    ) -> AsyncGenerator[Document]:
        """The documents of a shop for which the condition holds."""
        query = {"merchant_id": merchant_id, **(condition or {})}
        cursor = self._database[collection.name].find(query, session=self._session)
        cursor = cursor.batch_size(_AT_ONCE)
        try:
            async for document in cursor.sort(list(sort)) if sort else cursor:
                yield document
        finally:
            await cursor.close()

    async def find_of_no_shop(
        self, collection: Collection, condition: Mapping[str, Any]
    ) -> list[Document]:
        """Few of them. Raises TypeError for a collection that is kept by shop."""
        if not collection.no_shop:
            raise TypeError(f"{collection.name} is kept by shop")
        found = self._database[collection.name].find(condition, session=self._session)
        return await found.to_list(None)

    async def shops(self, collection: Collection) -> Sequence[UUID]:
        """Those that have something there."""
        documents = self._database[collection.name]
        found: list[UUID] = await documents.distinct("merchant_id", session=self._session)
        return found


class Refused(Exception):
    """MongoDB does not do it, and no other try will help. Named by its number alone."""

    def __init__(self, code: int) -> None:
        super().__init__(f"MongoDB refuses, error {code}")
        self.code = code


class MongoDatabase:
    """``url`` names the replica set; the database is ``loyalnest_<service>``."""

    def __init__(
        self,
        url: str,
        service: str,
        collections: Sequence[Collection],
        *,
        driver: str = PYMONGO,
        pool: int = 10,
        listeners: Any = (),  # as the driver takes them
    ) -> None:
        self.service = service
        self.name = f"loyalnest_{service}"
        self._collections = {each.name: each for each in collections}
        self._turns = Turns()
        self._client = open_client(url, driver, pool=pool, listeners=listeners)
        self._database = self._client[self.name]

    def collection(self, name: str) -> AsyncCollection[Document]:
        """The driver's own, for what is done outside of transactions: the outbox's way out."""
        return self._database[name]

    @asynccontextmanager
    async def transaction(self, scope: Scope, clock: Clock) -> AsyncIterator[Transaction]:
        """Commit at the end, leave nothing on an error. Raises Unavailable when the server is away
        or somebody else was at the same at the same moment: try again."""
        async with self.words(), session_of(self._client) as session:
            transaction = Transaction(
                self._database, session, self._collections, scope, self._turns, clock
            )
            try:
                yield transaction
                await transaction.commit()
            finally:
                await transaction.end()

    @asynccontextmanager
    async def words(self) -> AsyncIterator[None]:
        """Errors of the driver in our words."""
        try:
            yield
        except (PyMongoError, OSError, TimeoutError) as error:
            if is_away(error):
                raise Unavailable("The storage is not available.") from error
            code = code_of(error)
            # From nobody: what the driver says quotes documents.
            if code == _DUPLICATE:
                raise Unavailable(
                    "Somebody wrote the same at the same moment; try again."
                ) from None
            if isinstance(error, OperationFailure):
                raise Refused(code) from None
            raise

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[Moment]:
        """All shops as they are when it is first read from. Raises Unavailable when that is longer
        ago than the server remembers."""
        async with self.words(), session_of(self._client, of_one_moment=True) as session:
            try:
                yield Moment(self._database, session)
            except OperationFailure as error:
                if error.code not in _MOMENT_IS_GONE:
                    raise
                raise Unavailable(
                    "MongoDB does not know that moment any more"
                    " (minSnapshotHistoryWindowInSeconds); try again."
                ) from error

    async def ready(self) -> None:
        """Raises Unavailable when there is no primary."""
        async with self.words():
            await self._client.admin.command("ping")

    async def make(self) -> None:
        """MongoDB makes a database with its first collection. Raises Unavailable where it has no
        transactions."""
        async with self.words():
            hello = await self._client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise Unavailable(
                "MongoDB has to be a replica set: a single server has no transactions."
            )

    async def migrate(self) -> None:
        """Bring collections, validators and indexes up to date. Safe when several processes do it
        at once."""
        async with self.words():
            for each in self._collections.values():
                await self._make(each)

    async def _make(self, collection: Collection) -> None:
        try:
            # Not looking first, which would need a right more.
            await self._database.create_collection(collection.name, check_exists=False)
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:
                raise
        await self._database.command("collMod", collection.name, validator=collection.validator())
        models = collection.index_models()
        if models:
            await self._database[collection.name].create_indexes(list(models))

    async def close(self) -> None:
        await asyncio.shield(close(self._client))
