"""What a collection is: its fields, its indexes, and whether it may ever change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import ASCENDING, IndexModel

UUID_: Final = {"bsonType": "binData"}
TEXT: Final = {"bsonType": "string"}
FLAG: Final = {"bsonType": "bool"}
WHOLE: Final = {"bsonType": ["int", "long"]}
TICKS: Final = {"bsonType": "long"}
OBJECT: Final = {"bsonType": "object"}
LIST: Final = {"bsonType": "array"}
DATE: Final = {"bsonType": "date"}
BYTES: Final = {"bsonType": "binData"}


def or_null(kind: Mapping[str, Any]) -> dict[str, Any]:
    """The same, or nothing at all."""
    known = kind["bsonType"]
    return {"bsonType": [*([known] if isinstance(known, str) else known), "null"]}


@dataclass(frozen=True, slots=True)
class Collection:
    """``key`` finds one document; it begins with the shop, and so does every index, so that the
    collection can be sharded by it. ``no_shop`` says why one has none.

    ``append_only`` has no way of being changed here, and production grants none
    (docs/mongo.md, Roles).
    """

    name: str
    key: tuple[str, ...]
    fields: Mapping[str, Mapping[str, Any]]
    indexes: tuple[tuple[str, ...], ...] = ()
    optional: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Fields that most documents do without."""
    unique_where_there: tuple[str, ...] = ()
    """Of those, the ones by which no two documents of a shop are the same."""
    append_only: bool = False
    no_shop: str = ""
    kept_seconds: Mapping[str, int] = field(default_factory=dict)
    """Dates after which MongoDB itself removes a document, so many seconds later."""
    swept: tuple[str, ...] = ()
    """Fields by which loops look through every shop."""

    def index_models(self) -> Sequence[IndexModel]:
        models = [IndexModel([(name, ASCENDING) for name in self.key], unique=True)]
        models += [
            IndexModel(
                [("merchant_id", ASCENDING), (name, ASCENDING)],
                unique=True,
                partialFilterExpression={name: {"$exists": True}},
            )
            for name in self.unique_where_there
        ]
        models += [IndexModel([(name, ASCENDING) for name in fields]) for fields in self.indexes]
        # By its ids MongoDB keeps every collection in order anyway.
        models += [IndexModel([(name, ASCENDING)]) for name in self.swept if name != "_id"]
        models += [
            IndexModel([(name, ASCENDING)], expireAfterSeconds=seconds)
            for name, seconds in self.kept_seconds.items()
        ]
        return models

    def validator(self) -> dict[str, Any]:
        """Every field is there and of its kind, and there is no other."""
        known = {**self.fields, **self.optional}
        return {
            "$jsonSchema": {
                "bsonType": "object",
                "required": sorted(self.fields),
                "properties": {"_id": {}} | {name: dict(kind) for name, kind in known.items()},
                "additionalProperties": False,
            }
        }
