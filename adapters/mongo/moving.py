"""``ports.moving.PointsStore`` on MongoDB: each collection as rows in plain values, and back."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import msgspec
from bson import Binary, Int64
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from adapters.mongo import collections as kept
from adapters.mongo.chain_documents import (
    as_jsonb,
    block_document,
    read_block,
    read_unsealed,
    stored_of,
)
from adapters.mongo.database import MongoDatabase
from adapters.mongo.ledger_documents import lot_document
from adapters.mongo.schema import Collection
from adapters.mongo.values import Document, exact
from adapters.nats.outbox import outbox_row, read_outbox
from adapters.nats.relay import ANSWERS_KEPT
from domain.errors import Unavailable
from domain.points import moving
from domain.points.chain import SEALED, Block
from domain.points.lot import Share
from domain.points.moving import Cell, Kind, Row, Standing, Table
from ports.events import Said
from ports.moving import SOON_FORGOTTEN
from ports.sealing import key_id_of

_DUPLICATE: Final = 11000
_NEVER: Final = Int64(2**63 - 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOP: Final = "merchant_id"


class _Place(NamedTuple):
    """Where rows of a table are: columns that are fields by another name, those of JSON that are
    kept as text, and what is there besides, made of a row."""

    collection: Collection
    fields: Mapping[str, str] = {}
    texts: frozenset[str] = frozenset()
    besides: Callable[[Row], Document] = lambda _: {}

    def field(self, column: str) -> str:
        return self.fields.get(column, column)


PLACES: Final[Mapping[str, _Place]] = {
    moving.PROGRAMS.name: _Place(kept.PROGRAMS, texts=frozenset({"settings"})),
    moving.BUYERS.name: _Place(kept.BUYERS),
    moving.GOODS.name: _Place(kept.GOODS),
    moving.GOODS_COLLECTIONS.name: _Place(kept.GOODS_COLLECTIONS),
    moving.ORDERS.name: _Place(kept.ORDERS),
    moving.ENTRIES.name: _Place(kept.ENTRIES, {"entry_id": "_id"}),
    moving.BLOCKS.name: _Place(kept.BLOCKS),
    moving.UNSEALED.name: _Place(kept.UNSEALED, {"entry_id": "_id"}),
    moving.WALLETS.name: _Place(kept.WALLETS),
    moving.LOTS.name: _Place(
        kept.LOTS,
        {"remaining": "left"},
        besides=lambda row: {"spent_by": _long(row["expires_at"]) or _NEVER},
    ),
    moving.AGEING.name: _Place(kept.AGEING, {"due_at": "look_at"}),
    moving.MATURING.name: _Place(kept.MATURING),
    moving.COUNTS.name: _Place(kept.COUNTS),
    moving.REWARDS.name: _Place(kept.REWARDS, {"reward_id": "_id"}, texts=frozenset({"terms"})),
    moving.REDEMPTIONS.name: _Place(
        kept.REDEMPTIONS,
        {"redemption_id": "_id"},
        besides=lambda row: {"sealed_code_key": key_id_of(str(row["sealed_code"]))},
    ),
    moving.POOLED.name: _Place(kept.POOLED),
    moving.RESEALING.name: _Place(kept.RESEALING),
    moving.SALE_NAMES.name: _Place(kept.SALE_NAMES),
    moving.TILL_LINES.name: _Place(kept.TILL_LINES),
    moving.ANSWERS.name: _Place(kept.ANSWERS),
}
COLLECTIONS_HERE: Final = tuple(place.collection.name for place in PLACES.values())
"""All that rows of a shop are in."""


class MongoPointsStore:
    name: Final = "mongo"

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._moves = database.collection(kept.MOVES.name)
        self._outbox = database.collection(kept.OUTBOX.name)

    async def shops(self) -> Sequence[UUID]:
        found: set[UUID] = set()
        async with self._database.words():
            for name in COLLECTIONS_HERE:
                found |= {*await self._database.collection(name).distinct(_SHOP)}
        return sorted(found)

    async def holds(self, shop: UUID) -> bool:
        async with self._database.words():
            for name in COLLECTIONS_HERE:
                if await self._database.collection(name).find_one({_SHOP: shop}) is not None:
                    return True
        return False

    async def standing(self, shop: UUID) -> Standing:
        async with self._database.words():
            found = await self._moves.find_one({_SHOP: shop})
        return Standing.HERE if found is None else Standing(found["standing"])

    async def stand(self, shop: UUID, standing: Standing) -> None:
        async with self._database.words():
            if standing is Standing.HERE:
                await self._moves.delete_one({_SHOP: shop})
                return
            told = {_SHOP: shop, "standing": standing.value, "at": datetime.now(UTC)}
            await self._moves.replace_one({_SHOP: shop}, told, upsert=True)
            # In this order: who locks anything of the shop from here on finds what was just said,
            # and who has, cannot commit without the lock.
            await self._database.collection(kept.LOCKS.name).delete_many({_SHOP: shop})

    async def arrive(self, shop: UUID) -> bool:
        is_here = await self.standing(shop) is Standing.HERE
        # Before it is closed: whoever dies then must not leave one that lives here as if it came.
        if is_here and await self.holds(shop):
            return False
        await self.stand(shop, Standing.ARRIVING)
        if is_here and await self.holds(shop):  # it began to live here just now
            await self.stand(shop, Standing.HERE)
            return False
        return True

    async def rows(self, shop: UUID, table: Table, now: datetime) -> AsyncGenerator[Row, None]:
        place = PLACES[table.name]
        condition: Document = {_SHOP: shop}
        if table is moving.ANSWERS:
            condition["at"] = {"$gt": now - ANSWERS_KEPT + SOON_FORGOTTEN}
        by_key = [(_SHOP, 1), *((place.field(name), 1) for name in table.key)]
        async with self._database.words():
            found = self._database.collection(place.collection.name).find(condition)
            if table is moving.UNSEALED:
                for entry_id, digest in sorted(
                    sealed for each in await found.to_list(None) for sealed in read_unsealed(each)
                ):
                    yield {"entry_id": str(entry_id), "digest": digest.hex()}
                return
            tell = _TOLD.get(table.name)
            async for document in found.sort(by_key).batch_size(table.at_once):
                yield _told(table, place, document) if tell is None else tell(document)

    async def clear(self, shop: UUID, table: Table) -> None:
        await self._insist_on_arriving(shop)
        async with self._database.words():
            rows = self._database.collection(PLACES[table.name].collection.name)
            await rows.delete_many({_SHOP: shop})

    async def add(self, shop: UUID, table: Table, rows: Sequence[Row]) -> None:
        await self._insist_on_arriving(shop)
        place = PLACES[table.name]
        if table is moving.UNSEALED:
            documents = [_queued(shop, rows)]
        else:
            make = _MADE.get(table.name)
            documents = [
                _made(shop, table, place, row) if make is None else make(shop, row) for row in rows
            ]
        async with self._database.words():
            try:
                await self._database.collection(place.collection.name).insert_many(
                    documents, ordered=False
                )
            except BulkWriteError as error:
                if any(each["code"] != _DUPLICATE for each in error.details["writeErrors"]):
                    raise

    async def _insist_on_arriving(self, shop: UUID) -> None:
        """Raises Unavailable when somebody else has ended this move."""
        if await self.standing(shop) is not Standing.ARRIVING:
            raise Unavailable(f"The shop {shop} does not arrive in MongoDB any more.")

    async def unsent(self, shop: UUID) -> Sequence[Said]:
        async with self._database.words():
            found = await self._outbox.find({_SHOP: shop}).sort([("at", 1)]).to_list(None)
        return [read_outbox(each["_id"], each["at"], each["events"]) for each in found]

    async def take_over(self, shop: UUID, said: Sequence[Said]) -> None:
        if not said:
            return
        writes = []
        for each in said:
            # By another id: what a transaction said for several shops is in several parts now.
            own = {"_id": uuid5(shop, each.id.hex), _SHOP: shop}
            told = own | {"at": each.at, "events": outbox_row(each)}
            writes.append(ReplaceOne(own, told, upsert=True))
        async with self._database.words():
            await self._outbox.bulk_write(writes)

    async def drop(self, shop: UUID, said: Sequence[Said]) -> None:
        ids = [each.id for each in said]
        async with self._database.words():
            await self._outbox.delete_many({_SHOP: shop, "_id": {"$in": ids}})

    async def forget(self, shop: UUID) -> None:
        async with self._database.words():
            for name in COLLECTIONS_HERE:
                await self._database.collection(name).delete_many({_SHOP: shop})


def _told(table: Table, place: _Place, document: Document) -> Row:
    return {
        name: _cell(kind, document[place.field(name)], text=name in place.texts)
        for name, kind in table.columns.items()
    }


def _cell(kind: Kind, value: Any, *, text: bool = False) -> Cell:
    if value is None:
        return None
    match kind:
        case Kind.ID:
            return str(value)
        case Kind.WHOLE | Kind.TIME:
            return int(value)
        case Kind.ABOUT:
            return int((value - _EPOCH) // timedelta(microseconds=1))
        case Kind.AMOUNT:
            return _digits(value.to_decimal())
        case Kind.JSON:
            return as_jsonb(json.loads(value) if text else value)
        case Kind.BYTES:
            return bytes(value).hex()
        case _:
            cell: Cell = value
            return cell


def _made(shop: UUID, table: Table, place: _Place, row: Row) -> Document:
    document = {_SHOP: shop} | {
        place.field(name): _value(kind, row[name], text=name in place.texts)
        for name, kind in table.columns.items()
    }
    return document | place.besides(row)


def _value(kind: Kind, cell: Cell, *, text: bool = False) -> Any:
    if cell is None:
        return None
    match kind:
        case Kind.ID:
            return _id(cell)
        case Kind.TIME:
            return _long(cell)
        case Kind.ABOUT:
            return _EPOCH + timedelta(microseconds=int(cell))
        case Kind.AMOUNT:
            return exact(Decimal(cell))
        case Kind.JSON:
            return cell if text else json.loads(str(cell))
        case Kind.BYTES:
            return Binary(_bytes(cell))
        case _:
            return cell


def _id(cell: Cell) -> UUID:
    return UUID(str(cell))


def _bytes(cell: Cell) -> bytes:
    return bytes.fromhex(str(cell))


def _long(cell: Cell) -> Int64 | None:
    return None if cell is None else Int64(int(cell))


def _digits(amount: Decimal) -> str:
    """As PostgreSQL writes an amount."""
    return format(abs(amount) if amount.is_zero() else amount, "f")


_FACTS: Final = {
    name: kind
    for name, kind in moving.ORDERS.rest.items()
    if name not in ("lines", "refunds")
}  # fmt: skip


def _order_told(document: Document) -> Row:
    facts = document["facts"]
    row: dict[str, Cell] = {"order_id": document["order_id"]}
    row |= {name: facts and _cell(kind, facts[name]) for name, kind in _FACTS.items()}
    lines = [
        {"product_id": line["product_id"], "amount": str(line["amount"].to_decimal())}
        | {name: line[name] for name in ("tags", "collections") if name in line}
        for line in (facts["lines"] if facts else ())
    ]
    refunds = [
        [each["refund_id"], _digits(each["merchandise"].to_decimal()), int(each["created_at"])]
        for each in sorted(document["refunds"], key=lambda each: str(each["refund_id"]))
    ]
    return row | {"lines": as_jsonb(lines) if lines else None, "refunds": as_jsonb(refunds)}


def _order_made(shop: UUID, row: Row) -> Document:
    facts: Document | None = None
    if row["customer_id"] is not None:
        facts = {name: _value(kind, row[name]) for name, kind in _FACTS.items()}
        facts["lines"] = [
            line | {"amount": exact(Decimal(line["amount"]))}
            for line in json.loads(str(row["lines"] or "[]"))
        ]
    refunds = [
        {
            "refund_id": refund_id,
            "merchandise": exact(Decimal(merchandise)),
            "created_at": _long(created_at),
        }
        for refund_id, merchandise, created_at in json.loads(str(row["refunds"]))
    ]
    return {_SHOP: shop, "order_id": row["order_id"], "facts": facts, "refunds": refunds}


def _entry_told(document: Document) -> Row:
    told = dict(zip(SEALED, stored_of(document).values, strict=False))
    return {name: told[name] for name in moving.ENTRIES.columns}


def _entry_made(shop: UUID, row: Row) -> Document:
    uses = msgspec.json.decode(str(row["uses"] or "[]"), type=tuple[Share, ...], strict=False)
    document = _made(shop, moving.ENTRIES, PLACES[moving.ENTRIES.name], row) | {
        "uses": [lot_document(each) for each in uses],
        "idle_days": row["idle_days"] or 0,
    }
    if document["undoes"] is None:
        del document["undoes"]
    return document


def _block_told(document: Document) -> Row:
    block = read_block(document)
    return {
        "number": block.number,
        "prev_hash": block.prev.hex(),
        "hash": block.hash.hex(),
        "entry_ids": json.dumps([str(each) for each in block.entry_ids]),
        "digests": json.dumps([each.hex() for each in block.digests]),
        "count": block.count,
        "sealed_at": block.sealed_at,
    }


def _block_made(shop: UUID, row: Row) -> Document:
    block = Block(
        int(row["number"] or 0),
        _bytes(row["prev_hash"]),
        _bytes(row["hash"]),
        [UUID(each) for each in json.loads(str(row["entry_ids"]))],
        [bytes.fromhex(each) for each in json.loads(str(row["digests"]))],
        int(row["count"] or 0),
        int(row["sealed_at"] or 0),
    )
    return block_document(shop, block)


def _queued(shop: UUID, rows: Sequence[Row]) -> Document:
    """Entries that are to be sealed, as if one transaction had posted them."""
    ids = [_id(row["entry_id"]) for row in rows]
    return {
        "_id": ids[0],
        _SHOP: shop,
        "entry_ids": b"".join(each.bytes for each in ids),
        "digests": b"".join(_bytes(row["digest"]) for row in rows),
    }


_TOLD: Final[Mapping[str, Callable[[Document], Row]]] = {
    moving.ORDERS.name: _order_told,
    moving.ENTRIES.name: _entry_told,
    moving.BLOCKS.name: _block_told,
}
_MADE: Final[Mapping[str, Callable[[UUID, Row], Document]]] = {
    moving.ORDERS.name: _order_made,
    moving.ENTRIES.name: _entry_made,
    moving.BLOCKS.name: _block_made,
}
