"""A shop that is moved between the stores, on the real servers, and what each has of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from bson import ObjectId

from adapters.mongo.chain import MongoChainReader
from adapters.mongo.database import MongoDatabase
from adapters.mongo.moving import PLACES, MongoPointsStore
from adapters.postgres import tenancy
from adapters.postgres.chain import AS_OF_NOW, PostgresChainReader
from adapters.postgres.connection import text
from adapters.postgres.database import Database
from domain.points.chain import Head, Proof
from domain.points.moving import TABLES
from ports.moving import PointsStore
from ports.tenancy import within
from ports.unit import Units
from services.points.chaining import verify
from services.points.moving import Mover
from tests.ports.points_life import begin_resealing, live
from tests.ports.stores import SYSTEM_CLOCK


@dataclass(frozen=True)
class Kept:
    """A store of points, with what the service works with there: for the shops at hand, for all,
    and for what is sealed."""

    units: Units[Any]
    across: Units[Any]
    sealed: Units[Any]
    points: PointsStore


@dataclass(frozen=True)
class Rig:
    tables: Database
    documents: MongoDatabase
    postgres: Kept
    mongo: Kept

    def from_to(self, source: Kept, target: Kept) -> Mover:
        return Mover(source.points, target.points, SYSTEM_CLOCK)

    @property
    def there(self) -> Mover:
        return self.from_to(self.postgres, self.mongo)

    @property
    def back(self) -> Mover:
        return self.from_to(self.mongo, self.postgres)

    async def verify(self, shop: UUID, kept: Kept, since: Head | None = None) -> int:
        """Raises AssertionError where a shop's ledger does not agree; answers how many entries wait
        to be sealed."""
        proof = await self.proof(shop, kept, since)
        assert proof.first is None, proof.first
        assert proof.entries
        return proof.unsealed

    async def proof(self, shop: UUID, kept: Kept, since: Head | None = None) -> Proof:
        if kept is self.mongo:
            return await verify(MongoChainReader(self.documents), shop, since)
        async with self.tables.transaction(AS_OF_NOW) as connection:
            return await verify(PostgresChainReader(connection), shop, since)


def other_than(rig: Rig, kept: Kept) -> Kept:
    return rig.mongo if kept is rig.postgres else rig.postgres


async def a_life(kept: Kept) -> UUID:
    """A shop of which there is something of everything."""
    shop = uuid4()
    with within([shop]):
        await live(kept.units, kept.across, shop)
        await begin_resealing(kept.sealed, shop)
    return shop


async def every_row(rig: Rig, shop: UUID) -> Mapping[str, Sequence[str]]:
    """What PostgreSQL has of a shop, by table: every row with every column, but that answers are as
    old as a millisecond can tell."""
    found = {}
    async with rig.tables.transaction(AS_OF_NOW) as connection:
        for table in await tables_of(rig, "= 'merchant_id'"):
            rows = await connection.execute(
                text(f"SELECT to_jsonb(t) AS row FROM {table} t WHERE merchant_id = :shop"),
                {"shop": shop},
            )
            told = [dict(row) for row in rows.scalars()]
            if table == "answers":
                told = [{**row, "at": _to_the_millisecond(row["at"])} for row in told]
            found[table] = sorted(json.dumps(row, sort_keys=True) for row in told)
    del found[tenancy.MOVES]
    return found


def _to_the_millisecond(told: str) -> str:
    at = datetime.fromisoformat(told)
    return at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat()


async def tables_of(rig: Rig, name: str) -> set[str]:
    """Those with a column of a name."""
    async with rig.tables.transaction(AS_OF_NOW) as connection:
        found = await connection.execute(
            text(
                "SELECT DISTINCT CAST(table_name AS text) FROM information_schema.columns"
                f" WHERE table_schema = 'public' AND column_name {name}"
            )
        )
        return set(found.scalars())


async def every_document(rig: Rig, shop: UUID) -> Mapping[str, Sequence[str]]:
    """What MongoDB has of a shop, by collection, but for names that it gives by itself; of those
    who wait to be sealed, who they are together."""
    found = {}
    for place in PLACES.values():
        name = place.collection.name
        documents = await rig.documents.collection(name).find({"merchant_id": shop}).to_list(None)
        for each in documents:
            if isinstance(each["_id"], ObjectId):
                del each["_id"]
            if "refunds" in each:
                each["refunds"].sort(key=lambda refund: refund["refund_id"])
            each |= {text: json.loads(each[text]) for text in place.texts}
        found[name] = sorted(repr(in_order(each)) for each in documents)
    found["chain_unsealed"] = sorted(
        [str(row) async for row in MongoPointsStore(rig.documents).rows(
            shop, next(each for each in TABLES if each.name == "chain_unsealed"), SYSTEM_CLOCK.now()
        )]
    )  # fmt: skip
    return found


def in_order(value: object) -> object:
    """The same, however its keys came."""
    if isinstance(value, dict):
        return [(name, in_order(value[name])) for name in sorted(value)]
    return [in_order(each) for each in value] if isinstance(value, list) else value
