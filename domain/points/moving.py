"""What there is of a shop's points wherever they are kept, row by row, and when two stores hold the
same.

A row is told in plain values that no store has to itself: ids in their usual form, times as
microseconds since 1970, amounts as decimal digits, bytes in hexadecimal, JSON as a text with its
keys in one order. So rows of two stores are the same when their values are, and what was moved
there and back is what it was.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.points.chain import SEALED, digest

Cell = str | int | bool | None
Row = Mapping[str, Cell]


class Kind(Enum):
    """What a column holds, and so how each store writes it."""

    ID = auto()
    TEXT = auto()
    WHOLE = auto()
    FLAG = auto()
    TIME = auto()
    ABOUT = auto()
    """A time that only housekeeping asks for: to the millisecond."""
    DAY = auto()
    AMOUNT = auto()
    JSON = auto()
    BYTES = auto()
    IDS = auto()
    """Several ids in their order, as JSON."""
    DIGESTS = auto()
    """Several texts of bytes in their order, as JSON of hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a shop. ``key`` names one, and is what they are ordered by; ``sums`` are columns that
    mean something when they are added up. What ``only_grows`` is never changed. ``at_once`` rows
    are read and written together: they fit into memory whatever is in them."""

    name: str
    key: Mapping[str, Kind]
    rest: Mapping[str, Kind]
    sums: tuple[str, ...] = ()
    only_grows: bool = False
    at_once: int = 1000

    @property
    def columns(self) -> Mapping[str, Kind]:
        return {**self.key, **self.rest}

    def key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)

    def named(self, row: Row) -> str:
        """The row in words: its key."""
        return " ".join(str(row[name]) for name in self.key) or "the only one"


_SHARE_OF_ENTRY: Final = {
    "kind": Kind.TEXT,
    "points": Kind.WHOLE,
    "pending": Kind.FLAG,
    "reason": Kind.TEXT,
    "source": Kind.TEXT,
    "source_ref": Kind.TEXT,
    "rule": Kind.TEXT,
    "line": Kind.TEXT,
    "order_id": Kind.TEXT,
    "waived": Kind.WHOLE,
    "reverses": Kind.TEXT,
    "snapshot": Kind.JSON,
    "at": Kind.TIME,
    "tx": Kind.WHOLE,
    "uses": Kind.JSON,
    "undoes": Kind.ID,
    "expires_at": Kind.TIME,
    "idle_days": Kind.WHOLE,
}
PROGRAMS: Final = Table("programs", {}, {"version": Kind.WHOLE, "settings": Kind.JSON})
BUYERS: Final = Table(
    "buyers",
    {"customer_id": Kind.ID},
    {"tier": Kind.TEXT, "segment": Kind.TEXT, "version": Kind.WHOLE},
)
GOODS: Final = Table(
    "goods", {"product_id": Kind.TEXT}, {"tags": Kind.JSON, "updated_at": Kind.TIME}
)
GOODS_COLLECTIONS: Final = Table(
    "goods_collections",
    {"product_id": Kind.TEXT},
    {"collections": Kind.JSON, "version": Kind.WHOLE},
)
ORDERS: Final = Table(
    "orders",
    {"order_id": Kind.TEXT},
    {
        # All of it is None while only refunds of an order are known.
        "customer_id": Kind.ID,
        "currency": Kind.TEXT,
        "financial_status": Kind.TEXT,
        "created_at": Kind.TIME,
        "updated_at": Kind.TIME,
        "merchandise": Kind.AMOUNT,
        "shipping": Kind.AMOUNT,
        "tax": Kind.AMOUNT,
        "test": Kind.FLAG,
        "paid_at": Kind.TIME,
        "cancelled_at": Kind.TIME,
        "fulfilled_at": Kind.TIME,
        "lines": Kind.JSON,
        # By id; of each its id, amount and time.
        "refunds": Kind.JSON,
    },
)
ENTRIES: Final = Table(
    "points_transactions",
    {"customer_id": Kind.ID, "entry_id": Kind.ID},
    _SHARE_OF_ENTRY,
    sums=("points",),
    only_grows=True,
)
BLOCKS: Final = Table(
    "chain_blocks",
    {"number": Kind.WHOLE},
    {
        "prev_hash": Kind.BYTES,
        "hash": Kind.BYTES,
        "entry_ids": Kind.IDS,
        "digests": Kind.DIGESTS,
        "count": Kind.WHOLE,
        "sealed_at": Kind.TIME,
    },
    sums=("count",),
    only_grows=True,
    at_once=10,  # with up to a thousand digests each
)
UNSEALED: Final = Table("chain_unsealed", {"entry_id": Kind.ID}, {"digest": Kind.BYTES})
"""Entries that are in no block yet, with what they will be sealed as."""
WALLETS: Final = Table(
    "wallets",
    {"customer_id": Kind.ID},
    {
        "spendable": Kind.WHOLE,
        "pending": Kind.WHOLE,
        "spent": Kind.WHOLE,
        "expired": Kind.WHOLE,
        "version": Kind.WHOLE,
        "merged_into": Kind.ID,
        "merge_version": Kind.WHOLE,
        "active_at": Kind.TIME,
    },
    sums=("spendable", "pending", "spent", "expired"),
)
LOTS: Final = Table(
    "lots",
    {"customer_id": Kind.ID, "lot_id": Kind.ID},
    {
        "points": Kind.WHOLE,
        "remaining": Kind.WHOLE,
        "opened_at": Kind.TIME,
        "expires_at": Kind.TIME,
        "idle_days": Kind.WHOLE,
        "order_id": Kind.TEXT,
    },
    sums=("remaining",),
)
AGEING: Final = Table(
    "expiring", {"customer_id": Kind.ID}, {"due_at": Kind.TIME, "looked_at": Kind.TIME}
)
MATURING: Final = Table("maturing", {"order_id": Kind.TEXT}, {"matures_at": Kind.TIME})
COUNTS: Final = Table(
    "earning_counts",
    {"customer_id": Kind.ID, "rule": Kind.TEXT, "day": Kind.DAY},
    {"times": Kind.WHOLE, "points": Kind.WHOLE},
)
REWARDS: Final = Table(
    "rewards",
    {"reward_id": Kind.ID},
    {
        "version": Kind.WHOLE,
        "terms": Kind.JSON,
        "enabled": Kind.FLAG,
        "archived": Kind.FLAG,
        "taken": Kind.WHOLE,
        "created_at": Kind.TIME,
        "updated_at": Kind.TIME,
    },
)
REDEMPTIONS: Final = Table(
    "reward_redemptions",
    {"redemption_id": Kind.ID},
    {
        "customer_id": Kind.ID,
        "shopify_customer_id": Kind.TEXT,
        "reward_id": Kind.ID,
        "reward_version": Kind.WHOLE,
        "title": Kind.TEXT,
        "benefit": Kind.JSON,
        "points": Kind.WHOLE,
        "paid_by": Kind.ID,
        "state": Kind.TEXT,
        "created_at": Kind.TIME,
        "ends_at": Kind.TIME,
        "due_at": Kind.TIME,
        "sealed_code": Kind.TEXT,
        "code_digest": Kind.TEXT,
        "returns_on_expiry": Kind.FLAG,
        "member_may_cancel": Kind.FLAG,
        "taken": Kind.FLAG,
        "took_stock": Kind.FLAG,
        "tries": Kind.WHOLE,
        "external_id": Kind.TEXT,
        "order_id": Kind.TEXT,
        "reason": Kind.TEXT,
        "for_expiry": Kind.FLAG,
    },
)
POOLED: Final = Table(
    "pooled_members",
    {"customer_id": Kind.ID},
    {
        "pool_id": Kind.ID,
        "organization_id": Kind.ID,
        "version": Kind.WHOLE,
        "linked_at": Kind.TIME,
    },
)
RESEALING: Final = Table("resealing", {}, {"after": Kind.ID, "due_at": Kind.TIME})
SALE_NAMES: Final = Table("sale_names", {"name": Kind.TEXT}, {"order_id": Kind.TEXT})
TILL_LINES: Final = Table(
    "pos_lines",
    {"till_id": Kind.TEXT, "line_id": Kind.TEXT},
    {
        "order_id": Kind.TEXT,
        "content": Kind.TEXT,
        "sale": Kind.TEXT,
        "location": Kind.TEXT,
        "at": Kind.TIME,
    },
)
ANSWERS: Final = Table(
    "answers",
    {"operation": Kind.TEXT, "key": Kind.TEXT},
    {"input_hash": Kind.BYTES, "answer": Kind.BYTES, "at": Kind.ABOUT},
)
TABLES: Final = (
    PROGRAMS,
    BUYERS,
    GOODS,
    GOODS_COLLECTIONS,
    ORDERS,
    ENTRIES,
    BLOCKS,
    UNSEALED,
    WALLETS,
    LOTS,
    AGEING,
    MATURING,
    COUNTS,
    REWARDS,
    REDEMPTIONS,
    POOLED,
    RESEALING,
    SALE_NAMES,
    TILL_LINES,
    ANSWERS,
)
"""All that a shop has, but for what it has said and nobody has published yet."""


class Standing(StrEnum):
    """What a store is to a shop."""

    HERE = "here"
    """It lives here, or is not known; the service works for it."""
    ARRIVING = "arriving"
    """It is being filled from elsewhere, or was and nobody has proved it."""
    LEAVING = "leaving"
    """It is being copied from here."""
    LEFT = "left"
    """It lives elsewhere; what is here is what it was when it left."""


class Difference(NamedTuple):
    """The first row of which two stores do not say the same, and in what."""

    table: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.row}: {self.what}"


@dataclass(slots=True)
class Side:
    """What one store holds of a table: how many rows, what they add up to, and their digest."""

    rows: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    _known: Any = field(default_factory=hashlib.sha256)

    @property
    def digest(self) -> str:
        """SHA-256 over the rows in their order."""
        found: str = self._known.hexdigest()
        return found

    def add(self, shop: UUID, table: Table, row: Row) -> None:
        self.rows += 1
        for name in table.sums:
            self.sums[name] = self.sums.get(name, 0) + int(row[name] or 0)
        self._known.update(row_digest(shop, table, row))


def row_digest(shop: UUID, table: Table, row: Row) -> bytes:
    """What stands for a row. For an entry that is what its block is made of."""
    if table is ENTRIES:
        told = {"merchant_id": str(shop), **row}
        return digest([told[name] for name in SEALED])
    values = [row[name] for name in table.columns]
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).digest()


@dataclass(slots=True)
class Compared:
    """One table in two stores."""

    table: Table
    source: Side = field(default_factory=Side)
    target: Side = field(default_factory=Side)
    first: Difference | None = None


async def compare(
    shop: UUID, table: Table, source: AsyncIterator[Row], target: AsyncIterator[Row]
) -> Compared:
    """Reads both to their end, in step, so that it needs the same little memory whatever there
    is. Both are ordered by key."""
    compared = Compared(table)

    async def following(rows: AsyncIterator[Row], side: Side) -> Row | None:
        row = await anext(rows, None)
        if row is not None:
            side.add(shop, table, row)
        return row

    def differs(row: Row, what: str) -> None:
        if compared.first is None:
            compared.first = Difference(table.name, table.named(row), what)

    one = await following(source, compared.source)
    other = await following(target, compared.target)
    while one is not None or other is not None:
        if other is None or (one is not None and table.key_of(one) < table.key_of(other)):
            differs(one or {}, "is missing where it is moved to")
            one = await following(source, compared.source)
        elif one is None or table.key_of(other) < table.key_of(one):
            differs(other, "is not where it is moved from")
            other = await following(target, compared.target)
        else:
            if one != other:
                differs(one, f"has another {', '.join(_unlike(table, one, other))}")
            one = await following(source, compared.source)
            other = await following(target, compared.target)
    return compared


def _unlike(table: Table, one: Row, other: Row) -> Sequence[str]:
    return [name for name in table.columns if one[name] != other[name]]
