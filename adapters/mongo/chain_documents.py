"""Entries as their digests are of them, and what is sealed of them as documents."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from bson import Int64

from adapters.mongo.collections import ENTRIES
from adapters.mongo.ledger_documents import TX, lot_document, read_lot
from adapters.mongo.values import Document
from domain.points.chain import SEALED, Block, Stored, digest, genesis, link
from domain.points.lot_books import Value

NOBODY: Final = UUID(int=0)
"""For an id that is none."""
_ID_BYTES: Final = 16
_DIGEST_BYTES: Final = 32
_KNOWN: Final = frozenset({"_id", *ENTRIES.fields, *ENTRIES.optional})
_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
_NO_LOT: Final = (TypeError, KeyError, AttributeError, ValueError, OverflowError)


def stored_of(document: Document) -> Stored:
    """An entry with the values that its digest is of, to the letter what they are where the same
    entry is in PostgreSQL. Whatever somebody made of it: fields that there are not are told after
    the others."""
    told: dict[str, Any] = document | {
        "entry_id": document.get("_id"),
        "snapshot": as_jsonb(document.get("snapshot")),
        "tx": document.get("tx", TX),  # which those from before there was a chain do not have
        "uses": _uses(document.get("uses")),
        "idle_days": document.get("idle_days") or None,
    }
    found = map(told.get, SEALED)
    values = [each if type(each) in _AS_THEY_ARE else _plain(each) for each in found]
    if more := document.keys() - _KNOWN:
        values += [f"{name}: {document[name]!r}" for name in sorted(more)]
    return Stored(id_of(document.get("customer_id")), id_of(document.get("_id")), values)


def id_of(value: object) -> UUID:
    """The id, or nobody's."""
    return value if isinstance(value, UUID) else NOBODY


def whole(value: object) -> int:
    """The number, or 0 for what is none."""
    return int(value) if isinstance(value, int) else 0


def _plain(value: object) -> Value:
    if isinstance(value, UUID | str):
        return str(value)
    # Whole numbers of BSON are of a kind of their own.
    return int(value) if isinstance(value, int) else _odd(value)


def _odd(value: object) -> str:
    """For what is no value of an entry: a text that none can be."""
    return f"\0{value!r}"


_WRITE: Final = json.JSONEncoder(ensure_ascii=False, default=_odd).encode


def _uses(value: Any) -> str | None:
    if value == []:
        return None
    try:
        uses = [read_lot(each) for each in value]
        if [lot_document(each) for each in uses] != value:
            return _odd(value)
    except _NO_LOT:
        return _odd(value)
    return as_jsonb(msgspec.to_builtins(uses))


def as_jsonb(value: Any) -> str | None:
    """As PostgreSQL writes ``jsonb``."""
    return None if value is None else _WRITE(_in_order(value))


def _in_order(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in _sorted(tuple(value))}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


@lru_cache(maxsize=256)
def _sorted(names: tuple[str, ...]) -> Sequence[str]:
    """``jsonb`` keeps keys by length and then by their bytes. Most snapshots have the same ones."""
    return sorted(names, key=lambda name: (len(name.encode()), name.encode()))


def unsealed_document(merchant_id: UUID, entries: Sequence[Document]) -> Document:
    """Entries that are to be sealed, with what they are sealed as."""
    sealed = [(each["_id"], digest(stored_of(each).values)) for each in entries]
    return {"_id": entries[0]["_id"], "merchant_id": merchant_id, **_packed(sealed)}


def read_unsealed(document: Document) -> Sequence[tuple[UUID, bytes]]:
    ids, digests = _unpacked(document)
    return list(zip(ids, digests, strict=False))


def block_after(
    last: Block | None, merchant_id: UUID, sealed: Sequence[tuple[UUID, bytes]], sealed_at: int
) -> Block:
    """The block of these entries that follows a shop's last."""
    prev = genesis(merchant_id) if last is None else last.hash
    number = 1 if last is None else last.number + 1
    digests = [each for _, each in sealed]
    made = link(prev, number, sealed_at, digests)
    return Block(number, prev, made, [each for each, _ in sealed], digests, len(sealed), sealed_at)


def block_document(merchant_id: UUID, block: Block) -> Document:
    return {
        "merchant_id": merchant_id,
        "number": Int64(block.number),
        "prev_hash": block.prev,
        "hash": block.hash,
        **_packed(zip(block.entry_ids, block.digests, strict=True)),
        "count": block.count,
        "sealed_at": Int64(block.sealed_at),
    }


def read_block(document: Mapping[str, Any]) -> Block:
    """Whatever somebody made of it."""
    ids, digests = _unpacked(document)
    return Block(
        whole(document.get("number")),
        _bytes(document.get("prev_hash")),
        _bytes(document.get("hash")),
        ids,
        digests,
        whole(document.get("count")),
        whole(document.get("sealed_at")),
    )


def _packed(sealed: Iterable[tuple[UUID, bytes]]) -> Document:
    """One after another, which is a third smaller than lists, and read at once."""
    pairs = list(sealed)
    return {
        "entry_ids": b"".join(entry_id.bytes for entry_id, _ in pairs),
        "digests": b"".join(each for _, each in pairs),
    }


def _unpacked(document: Mapping[str, Any]) -> tuple[Sequence[UUID], Sequence[bytes]]:
    ids = _parts(_bytes(document.get("entry_ids")), _ID_BYTES)
    digests = _parts(_bytes(document.get("digests")), _DIGEST_BYTES)
    return [UUID(bytes=each.ljust(_ID_BYTES, b"\0")) for each in ids], digests


def _parts(packed: bytes, size: int) -> Sequence[bytes]:
    return [packed[start : start + size] for start in range(0, len(packed), size)]


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes) else b""
