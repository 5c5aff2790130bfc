"""Connecting with either driver: PyMongo's own async client, or Motor.

The two share nearly everything. What differs stands here, and nothing else in this package may use
what only one of them has: ``aggregate``, ``list_indexes`` and ``start_transaction`` are awaited in
the one and not in the other (docs/decisions/0027-mongodb.md).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from inspect import isawaitable
from typing import Any, Final, cast

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from adapters.mongo.drivers import MOTOR
from adapters.mongo.values import Document

Client = AsyncMongoClient[Document]
Session = AsyncClientSession

_OPTIONS: Final[dict[str, Any]] = {
    "uuidRepresentation": "standard",
    "tz_aware": True,
    "appname": "loyalnest",
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 60_000,
}


def open_client(url: str, driver: str, *, pool: int, listeners: Any = ()) -> Client:
    """``listeners`` are told of every command (``pymongo.monitoring``). Raises ImportError for a
    driver that is not installed."""
    options = _OPTIONS | {"maxPoolSize": pool, "event_listeners": list(listeners)}
    if driver == MOTOR:
        # By name: only who chooses it needs to have it.
        motor = import_module("motor.motor_asyncio")
        return cast(Client, motor.AsyncIOMotorClient(url, **options))
    return AsyncMongoClient(url, **options)


@asynccontextmanager
async def session_of(client: Client, *, of_one_moment: bool = False) -> AsyncIterator[Session]:
    """A session that reads what it wrote, or ``of_one_moment``: one that only reads, all of it as
    it was when it was first asked."""
    session: Any = client.start_session(
        causal_consistency=not of_one_moment, snapshot=of_one_moment
    )
    if isawaitable(session):  # Motor's
        session = await session
    async with session:
        yield session


async def aggregated(
    collection: AsyncCollection[Document], stages: Sequence[Mapping[str, Any]], session: Session
) -> list[Document]:
    """All that a pipeline gives."""
    cursor: Any = collection.aggregate(list(stages), session=session)
    if isawaitable(cursor):  # PyMongo's
        cursor = await cursor
    found: list[Document] = await cursor.to_list(None)
    return found


async def close(client: Client) -> None:
    closing: Any = client.close()
    if isawaitable(closing):  # PyMongo's
        await closing
