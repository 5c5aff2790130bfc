"""Changing a ledger behind its back, as somebody can who has the database itself, in any store."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

from adapters.mongo.chain import MongoChainReader
from adapters.mongo.chain_documents import unsealed_document
from adapters.mongo.collections import BLOCKS, ENTRIES, LOTS, UNSEALED, WALLETS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.values import Document, ticks
from adapters.postgres.chain import PostgresChainReader
from adapters.postgres.connection import Connection, text
from adapters.postgres.database import Database
from adapters.postgres.tenancy import MIGRATION
from adapters.system import UuidV7
from domain.points.chain import SEALED, Place
from ports.chain import ChainReader

AT: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDS: Final = UuidV7()

Row = dict[str, Any]
Named = set[tuple[Place, str]]
"""What verify may name first."""


class Tables(Protocol):
    """A shop's tables, with nothing that refuses a change. Their names and columns are those of
    PostgreSQL; values are as each store has them."""

    @property
    def reader(self) -> ChainReader: ...

    async def rows(self, table: str) -> Sequence[Row]: ...

    async def add(self, table: str, row: Row) -> None: ...

    async def remove(self, table: str, row: Row) -> None: ...

    async def change(self, table: str, row: Row, **changes: object) -> None: ...

    async def forge(self, row: Row) -> None:
        """Add an entry as if it had just been posted, and was not sealed yet."""
        ...

    def instant(self, at: datetime) -> object: ...


class PostgresTables:
    """As whoever owns the tables, with the triggers off."""

    def __init__(self, connection: Connection, shop: UUID) -> None:
        self.reader = PostgresChainReader(connection)
        self.connection = connection
        self._shop = shop

    async def rows(self, table: str) -> Sequence[Row]:
        columns = ", ".join(SEALED) if table == "points_transactions" else "*"
        found = await self.sql(
            f"SELECT {columns}, CAST(ctid AS text) AS place FROM {table} WHERE merchant_id = :shop",
            shop=self._shop,
        )
        return [each._asdict() for each in found]

    async def add(self, table: str, row: Row) -> None:
        values = _written({name: value for name, value in row.items() if name != "place"})
        names = ", ".join(f":{name}" for name in values)
        await self.sql(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({names})", **values)

    async def remove(self, table: str, row: Row) -> None:
        await self.sql(f"DELETE FROM {table} WHERE {_THERE}", place=row["place"])

    async def change(self, table: str, row: Row, **changes: object) -> None:
        columns = ", ".join(f"{name} = :{name}" for name in changes)
        (found,) = await self.sql(
            f"UPDATE {table} SET {columns} WHERE {_THERE} RETURNING CAST(ctid AS text) AS place",
            place=row["place"],
            **_written(changes),
        )
        row |= changes | {"place": found.place}

    async def forge(self, row: Row) -> None:
        await self.add("points_transactions", {name: row[name] for name in row if name != "tx"})

    def instant(self, at: datetime) -> object:
        return at

    async def sql(self, statement: str, **values: object) -> Sequence[Any]:
        return (await self.connection.execute(text(statement), values)).all()


_THERE: Final = "ctid = CAST(CAST(:place AS text) AS tid)"


def _written(row: Mapping[str, object]) -> Mapping[str, object]:
    """With texts for what PostgreSQL keeps as JSON."""
    return {
        name: json.dumps(value) if name in ("snapshot", "uses") and value is not None else value
        for name, value in row.items()
    }


class Undo(Exception):
    pass


@asynccontextmanager
async def on_postgres(database: Database, shop: UUID) -> AsyncIterator[Tables]:
    """Nothing that is done in this block lasts."""
    with suppress(Undo):
        async with database.transaction(MIGRATION) as connection:
            for table in ("points_transactions", "chain_blocks"):
                await connection.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            # One that has begun later and is over, so that what is written here is not to come.
            async with database.transaction(MIGRATION) as later:
                await later.run("SELECT pg_current_xact_id()")
            yield PostgresTables(connection, shop)
            raise Undo


_COLLECTIONS: Final = {
    "points_transactions": ENTRIES.name,
    "chain_blocks": BLOCKS.name,
    "wallets": WALLETS.name,
    "lots": LOTS.name,
}
_KEPT: Final = (*_COLLECTIONS.values(), UNSEALED.name)


class MongoTables:
    """As whoever may write everything, validators or not."""

    def __init__(self, database: MongoDatabase, shop: UUID) -> None:
        self.reader = MongoChainReader(database)
        self._database = database
        self._shop = shop

    async def rows(self, table: str) -> Sequence[Row]:
        found = self._database.collection(_COLLECTIONS[table]).find({"merchant_id": self._shop})
        return [_row(table, each) for each in await found.to_list(None)]

    async def add(self, table: str, row: Row) -> None:
        documents = self._database.collection(_COLLECTIONS[table])
        await documents.insert_one(_document(table, row), bypass_document_validation=True)

    async def remove(self, table: str, row: Row) -> None:
        await self._database.collection(_COLLECTIONS[table]).delete_one({"_id": row["place"]})

    async def change(self, table: str, row: Row, **changes: object) -> None:
        await self.remove(table, row)
        row |= changes
        if "entry_id" in changes:
            row["place"] = row["entry_id"]
        await self.add(table, row)

    async def forge(self, row: Row) -> None:
        await self.add("points_transactions", row)
        queued = unsealed_document(self._shop, [_document("points_transactions", row)])
        await self._database.collection(UNSEALED.name).insert_one(queued)

    def instant(self, at: datetime) -> object:
        return ticks(at)


def _row(table: str, document: Document) -> Row:
    row = dict(document)
    row["place"] = row.pop("_id")
    match table:
        case "points_transactions":
            row["entry_id"] = row["place"]
            row.setdefault("undoes", None)
        case "chain_blocks":
            ids, digests = row["entry_ids"], row["digests"]
            row["entry_ids"] = [UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)]
            row["digests"] = [digests[at : at + 32] for at in range(0, len(digests), 32)]
        case "lots":
            row["remaining"] = row.pop("left")
    return row


def _document(table: str, row: Row) -> Document:
    document = dict(row)
    place = document.pop("place", None)
    match table:
        case "points_transactions":
            place = document.pop("entry_id")
            if document["undoes"] is None:
                del document["undoes"]
        case "chain_blocks":
            document["entry_ids"] = b"".join(each.bytes for each in document["entry_ids"])
            document["digests"] = b"".join(document["digests"])
        case "lots":
            document["left"] = document.pop("remaining")
    return document if place is None else document | {"_id": place}


@asynccontextmanager
async def on_mongo(database: MongoDatabase, shop: UUID) -> AsyncIterator[Tables]:
    """What is changed in this block is put back."""
    was = {
        name: await database.collection(name).find({"merchant_id": shop}).to_list(None)
        for name in _KEPT
    }
    try:
        yield MongoTables(database, shop)
    finally:
        for name, documents in was.items():
            collection = database.collection(name)
            ids = [each["_id"] for each in documents]
            await collection.delete_many({"$or": [{"merchant_id": shop}, {"_id": {"$in": ids}}]})
            if documents:
                await collection.insert_many(documents)


class Tampering:
    """Changes something of a shop at random, and says what verify should name."""

    def __init__(self, tables: Tables, random: Random) -> None:
        self._tables = tables
        self._random = random

    async def done(self, number: int) -> tuple[str, Named]:
        """``number`` says how: first each column, then each other way, then at random."""
        others: Sequence[Callable[[], Awaitable[Named]]] = (
            self.wallet, self.delete, self.insert, self.swap_ids, self.swap_points, self.move,
            self.give_away, self.lose_wallet, self.invent_wallet, self.alter_block, self.lose_block,
            self.swap_blocks, self.truncate, self.swap_in_block, self.delete_unsealed,
            self.forge_unsealed, self.lot, self.lot, self.lot, self.lose_lot, self.invent_lot,
            self.move_lot,
        )  # fmt: skip
        if number < len(SEALED):
            return SEALED[number], await self.column(SEALED[number])
        if number < len(SEALED) + len(others):
            how = others[number - len(SEALED)]
        else:
            how = self._random.choice((self.column, *others))
        return getattr(how, "__name__", ""), await how()

    async def column(self, name: str = "") -> Named:
        row = await self._entry()
        entry_id = row["entry_id"]
        name = name or self._random.choice(SEALED)
        value = row[name]
        new: object
        match value:
            case bool():
                new = not value
            case int():
                new = value + self._random.choice((-1, 1, 1000, -1000))
            case UUID():
                new = uuid4()
            case datetime():
                new = value + timedelta(microseconds=self._random.choice((1, -1, 10**9)))
            case str() if name == "kind":
                new = "campaign" if value != "campaign" else "badge"
            case None if name == "reverses":
                new = "redeem"
            case _ if name == "reverses":
                new = None
            case _ if name in ("snapshot", "uses"):
                new = {"rate": "3", "was": value}
            case None if name == "undoes":
                new = uuid4()
            case None if name == "expires_at":
                new = self._tables.instant(AT)
            case None if name == "idle_days":
                new = 1
            case _:
                new = f"{value}x"
        await self._tables.change("points_transactions", row, **{name: new})
        return {(Place.ENTRY, str(entry_id))}

    async def delete(self) -> Named:
        row = await self._entry()
        await self._tables.remove("points_transactions", row)
        return {(Place.ENTRY, str(row["entry_id"]))}

    async def insert(self) -> Named:
        """With the wallet moved to match, as if it had always been there."""
        row = _another(await self._entry())
        await self._tables.add("points_transactions", row)
        await self._move_wallet(row["customer_id"], version=1, spendable=5)
        return {(Place.ENTRY, str(row["entry_id"]))}

    async def forge_unsealed(self) -> Named:
        row = _another(await self._entry())
        await self._tables.forge(row)
        return {(Place.WALLET, str(row["customer_id"]))}

    async def delete_unsealed(self) -> Named:
        sealed = {each["entry_id"] for each in await self._entries()}
        rows = await self._tables.rows("points_transactions")
        row = next(each for each in rows if each["entry_id"] not in sealed)
        await self._tables.remove("points_transactions", row)
        return {(Place.WALLET, str(row["customer_id"]))}

    async def swap_ids(self) -> Named:
        one, other = await self._two()
        ids = one["entry_id"], other["entry_id"]
        await self._tables.change("points_transactions", one, entry_id=uuid4())
        await self._tables.change("points_transactions", other, entry_id=ids[0])
        await self._tables.change("points_transactions", one, entry_id=ids[1])
        return {(Place.ENTRY, str(each)) for each in ids}

    async def swap_points(self) -> Named:
        """Of one member's two entries, so that the sum stays."""
        entries = await self._entries()
        member = entries[0]["customer_id"]
        one, other, *_ = (
            each for each in entries if each["kind"] == "earn" and each["customer_id"] == member
        )
        await self._tables.change("points_transactions", one, points=one["points"] + 1)
        await self._tables.change("points_transactions", other, points=other["points"] - 1)
        return {(Place.ENTRY, str(one["entry_id"]))}

    async def move(self) -> Named:
        """To another member, wallets and all."""
        one, other = await self._two()
        was, is_now, points = one["customer_id"], other["customer_id"], one["points"]
        await self._tables.change("points_transactions", one, customer_id=is_now)
        await self._move_wallet(was, version=-1, spendable=-points)
        await self._move_wallet(is_now, version=1, spendable=points)
        return {(Place.ENTRY, str(one["entry_id"]))}

    async def give_away(self) -> Named:
        """To another shop."""
        row = await self._entry()
        await self._tables.change("points_transactions", row, merchant_id=uuid4())
        return {(Place.ENTRY, str(row["entry_id"]))}

    async def wallet(self) -> Named:
        member = (await self._entry())["customer_id"]
        name = self._random.choice(("spendable", "pending", "spent", "expired", "version"))
        await self._move_wallet(member, **{name: self._random.choice((-1, 1, 500))})
        return {(Place.WALLET, str(member))}

    async def lose_wallet(self) -> Named:
        member = (await self._entry())["customer_id"]
        await self._tables.remove("wallets", await self._wallet(member))
        return {(Place.WALLET, str(member))}

    async def invent_wallet(self) -> Named:
        known = await self._wallet((await self._entry())["customer_id"])
        member = uuid4()
        sums = {"spendable": 5, "pending": 0, "spent": 0, "expired": 0, "version": 1}
        await self._tables.add("wallets", _unplaced(known) | {"customer_id": member} | sums)
        return {(Place.WALLET, str(member))}

    async def lot(self) -> Named:
        lot = await self._lot()
        opened_at = lot["opened_at"]
        second = 1_000_000 if isinstance(opened_at, int) else timedelta(seconds=1)
        changes: Sequence[Mapping[str, object]] = (
            {"remaining": lot["remaining"] + 1}, {"points": lot["points"] + 1},
            {"order_id": f"{lot['order_id']}x"}, {"expires_at": self._tables.instant(AT)},
            {"idle_days": lot["idle_days"] + 1}, {"opened_at": opened_at - second},
        )  # fmt: skip
        await self._tables.change("lots", lot, **self._random.choice(changes))
        return {(Place.LOT, str(lot["lot_id"]))}

    async def lose_lot(self) -> Named:
        """One that nobody took from is missed in the sum."""
        lot = await self._lot()
        await self._tables.remove("lots", lot)
        return {(Place.LOT, str(lot["lot_id"])), (Place.LOT, str(lot["customer_id"]))}

    async def invent_lot(self) -> Named:
        lot = _unplaced(await self._lot()) | {"lot_id": uuid4(), "points": 9, "remaining": 9}
        await self._tables.add("lots", lot)
        return {(Place.LOT, str(lot["lot_id"]))}

    async def move_lot(self) -> Named:
        lot = await self._lot()
        was = lot["customer_id"]
        await self._tables.change("lots", lot, customer_id=uuid4())
        return {(Place.LOT, str(each)) for each in (lot["lot_id"], was)}

    async def alter_block(self) -> Named:
        block = self._random.choice(await self._blocks())
        sealed_at, digest = block["sealed_at"], block["hash"]
        tick = 1 if isinstance(sealed_at, int) else timedelta(microseconds=1)
        again = sha256(digest).digest()
        changes: Sequence[Mapping[str, object]] = (
            {"hash": again}, {"prev_hash": again}, {"count": block["count"] + 1},
            {"sealed_at": sealed_at + tick}, {"digests": [*block["digests"], digest]},
            {"digests": [*block["digests"][:2], digest, *block["digests"][3:]]},
            {"entry_ids": [*block["entry_ids"], uuid4()]},
        )  # fmt: skip
        await self._tables.change("chain_blocks", block, **self._random.choice(changes))
        return {(Place.BLOCK, str(block["number"]))}

    async def swap_in_block(self) -> Named:
        block = self._random.choice(await self._blocks())
        ids = list(block["entry_ids"])
        ids[1], ids[3] = ids[3], ids[1]
        await self._tables.change("chain_blocks", block, entry_ids=ids)
        return {(Place.ENTRY, str(ids[1]))}

    async def lose_block(self) -> Named:
        """The last one too: then its entries are in none."""
        blocks = await self._blocks()
        block = self._random.choice(blocks)
        await self._tables.remove("chain_blocks", block)
        if block is blocks[-1]:
            return {(Place.ENTRY, str(min(block["entry_ids"])))}
        return {(Place.BLOCK, str(block["number"]))}

    async def swap_blocks(self) -> Named:
        one, other = self._random.sample(await self._blocks(), 2)
        numbers = one["number"], other["number"]
        await self._tables.change("chain_blocks", one, number=type(numbers[0])(-1))
        await self._tables.change("chain_blocks", other, number=numbers[0])
        await self._tables.change("chain_blocks", one, number=numbers[1])
        return {(Place.BLOCK, str(min(numbers)))}

    async def truncate(self) -> Named:
        """The last block with its entries."""
        *_, block = await self._blocks()
        await self._tables.remove("chain_blocks", block)
        gone = [each for each in await self._all() if each["entry_id"] in block["entry_ids"]]
        for each in gone:
            await self._tables.remove("points_transactions", each)
        return {(Place.WALLET, str(min(each["customer_id"] for each in gone)))}

    async def _all(self) -> Sequence[Row]:
        rows = await self._tables.rows("points_transactions")
        return sorted(rows, key=lambda each: each["entry_id"])

    async def _entries(self) -> Sequence[Row]:
        """Those that are sealed, by id."""
        sealed = {each for block in await self._blocks() for each in block["entry_ids"]}
        return [each for each in await self._all() if each["entry_id"] in sealed]

    async def _entry(self) -> Row:
        return self._random.choice(await self._entries())

    async def _two(self) -> tuple[Row, Row]:
        """Of two members."""
        one = other = await self._entry()
        while one["customer_id"] == other["customer_id"]:
            other = await self._entry()
        return one, other

    async def _blocks(self) -> Sequence[Row]:
        rows = await self._tables.rows("chain_blocks")
        return sorted(rows, key=lambda each: each["number"])

    async def _lot(self) -> Row:
        rows = await self._tables.rows("lots")
        return self._random.choice(sorted(rows, key=lambda each: each["lot_id"]))

    async def _wallet(self, member: UUID) -> Row:
        rows = await self._tables.rows("wallets")
        return next(each for each in rows if each["customer_id"] == member)

    async def _move_wallet(self, member: UUID, **by: int) -> None:
        wallet = await self._wallet(member)
        changes = {name: wallet[name] + more for name, more in by.items()}
        await self._tables.change("wallets", wallet, **changes)


def _another(row: Row) -> Row:
    """An entry like this one that gives five points."""
    changes = {"entry_id": IDS.new(), "source_ref": str(uuid4()), "points": 5, "kind": "adjust",
               "pending": False, "reverses": None}  # fmt: skip
    return _unplaced(row) | changes


def _unplaced(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "place"}
