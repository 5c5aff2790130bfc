"""The chain of hashes over a shop's ledger: how entries are sealed, and what proves they still are.

An entry's digest is the SHA-256 of all its columns, written as one JSON array. Blocks hold the
digests of entries, and each block's hash covers the one before, so that nothing in the past can be
changed, left out or put in between without every later hash being another.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot_books import KeptLot, LotBooks, Value
from domain.points.wallet import EMPTY, Wallet, apply

SEALED: Final = (
    *("merchant_id", "customer_id", "entry_id", "kind", "points", "pending", "reason", "source"),
    *("source_ref", "rule", "line", "order_id", "waived", "reverses", "snapshot", "at", "tx"),
    *("uses", "undoes", "expires_at", "idle_days"),
)
"""What of an entry its digest covers, in this order: every column there is. ``snapshot`` and
``uses`` are texts (JSON as PostgreSQL writes it), times are microseconds since 1970. A column that
is added goes to the end, and is left out where it is NULL, so that older digests stay."""

BLOCK_SIZE: Final = 1000
"""Entries in a block, at most."""
_WRITE: Final = json.JSONEncoder(ensure_ascii=False).encode
_HEAD: Final = re.compile("[1-9][0-9]{0,18}:[0-9a-f]{64}")


def digest(values: Sequence[Value]) -> bytes:
    """What stands for an entry; ``values`` are those of ``SEALED``, ids in their usual form."""
    return hashlib.sha256(_WRITE(values).encode()).digest()


def genesis(merchant_id: UUID) -> bytes:
    """What the first block of a shop follows."""
    return hashlib.sha256(merchant_id.bytes).digest()


def link(prev: bytes, number: int, sealed_at: int, digests: Sequence[bytes]) -> bytes:
    """The hash of a block: of the one before, its number and time (microseconds since 1970, both as
    eight bytes, the highest first) and its entries' digests."""
    known = hashlib.sha256(prev)
    known.update(number.to_bytes(8, "big", signed=True))
    known.update(sealed_at.to_bytes(8, "big", signed=True))
    for each in digests:
        known.update(each)
    return known.digest()


@dataclass(frozen=True, slots=True)
class Block:
    """Entries that were sealed together. Blocks of a shop are numbered from 1, without gaps."""

    number: int
    prev: bytes
    hash: bytes
    entry_ids: Sequence[UUID]
    digests: Sequence[bytes]
    count: int
    sealed_at: int


class Head(NamedTuple):
    """The last block. Whoever keeps its hash can prove later that the past was not rewritten."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


def head_of(written: str) -> Head:
    """The head that ``str`` wrote. Raises ValueError for anything else."""
    if _HEAD.fullmatch(written) is None:
        raise ValueError("a head is a block's number, a colon and 64 hexadecimal digits")
    number, _, digits = written.partition(":")
    return Head(int(number), bytes.fromhex(digits))


class Slot(NamedTuple):
    """Where an entry is sealed, and as what."""

    entry_id: UUID
    number: int
    position: int
    digest: bytes


class Stored(NamedTuple):
    """An entry as it is stored, whatever became of it; ``values`` are those of ``SEALED``."""

    customer_id: UUID
    entry_id: UUID
    values: Sequence[Value]


class Found(NamedTuple):
    """An entry with a place where it is sealed, or one of both without the other. ``waits``: it is
    right that it is in no block, as it is still to be sealed."""

    stored: Stored | None
    slot: Slot | None
    waits: bool


class Kept(NamedTuple):
    """What is kept beside a member's entries: the wallet, if there is one, with the number of
    entries that it counts, and the open lots."""

    customer_id: UUID
    wallet: Wallet | None
    version: int
    lots: Sequence[KeptLot]


class Place(StrEnum):
    BLOCK = "block"
    ENTRY = "entry"
    WALLET = "wallet"
    LOT = "lot"


class Fault(NamedTuple):
    """Something that does not agree: where, its number or id, and how. ``order`` sorts faults: the
    chain's own order, then what is in no block, then wallets and lots."""

    order: tuple[int, int, int]
    place: Place
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.place} {self.name}: {self.what}"


@dataclass(slots=True)
class Proof:
    """Goes through one shop's blocks, then its entries member by member, and keeps the first fault,
    so that it needs the same little memory whatever the size of the ledger. ``since`` is a head
    that was kept elsewhere.
    """

    merchant_id: UUID
    since: Head | None = None
    first: Fault | None = None
    faults: int = 0
    entries: int = 0
    unsealed: int = 0
    members: int = 0
    head: Head | None = None
    _slot: Slot | None = None
    _member: "_Member | None" = None
    _since_seen: bool = field(default=False)

    def block(self, block: Block) -> None:
        """To be told of all blocks, by number."""
        number = block.number
        expected = 1 if self.head is None else self.head.number + 1
        prev = genesis(self.merchant_id) if self.head is None else self.head.hash
        if number != expected:
            self._fault((0, expected, -1), Place.BLOCK, str(expected), "is missing")
        elif block.prev != prev:
            self._fault((0, number, -1), Place.BLOCK, str(number), "does not follow the one before")
        if link(block.prev, number, block.sealed_at, block.digests) != block.hash:
            self._fault((0, number, -1), Place.BLOCK, str(number), "is not what its hash is of")
        if not len(block.entry_ids) == len(block.digests) == block.count:
            self._fault((0, number, -1), Place.BLOCK, str(number), "does not list what it seals")
        self.head = Head(number, block.hash)
        if self.since is not None and self.since.number == number:
            self._since_seen = True
            if self.since.hash != block.hash:
                what = "has another hash than the head that was kept: the past was rewritten"
                self._fault((0, number, -1), Place.BLOCK, str(number), what)

    def blocks_done(self) -> None:
        """There are no more."""
        if self.since is not None and not self._since_seen:
            number = self.since.number
            what = "is missing; it was the head that was kept"
            self._fault((0, number, -1), Place.BLOCK, str(number), what)

    def entry(self, found: Found) -> None:
        """To be told of every entry with every place where it is sealed, member by member, and of
        what was sealed and is not there."""
        stored, slot, waits = found
        if slot is not None and self._slot is not None and self._slot.entry_id == slot.entry_id:
            at = (0, slot.number, slot.position)
            self._fault(at, Place.ENTRY, str(slot.entry_id), "is sealed twice")
            return
        self._slot = slot
        if stored is None:
            if slot is not None:
                what = f"is missing; it was sealed in block {slot.number}"
                at = (0, slot.number, slot.position)
                self._fault(at, Place.ENTRY, str(slot.entry_id), what)
            return
        self.entries += 1
        self._sealed(stored, slot, waits=waits)
        if self._member is None or self._member.customer_id != stored.customer_id:
            self._member = _Member(stored.customer_id)
            self.members += 1
        self._member.add(stored, self)

    def _sealed(self, stored: Stored, slot: Slot | None, *, waits: bool) -> None:
        name = str(stored.entry_id)
        if slot is not None:
            if digest(stored.values) != slot.digest:
                what = f"is not what was sealed in block {slot.number}"
                self._fault((0, slot.number, slot.position), Place.ENTRY, name, what)
        elif waits:
            self.unsealed += 1
        else:
            what = "is in no block and does not wait to be sealed: it was put in"
            self._fault((1, stored.entry_id.int, 0), Place.ENTRY, name, what)

    def kept(self, kept: Kept) -> None:
        """To be told of what is kept beside a member's entries right after these, and of what is
        kept of those who have none."""
        told = self._member
        is_of_told = told is not None and told.customer_id == kept.customer_id
        own = told if told is not None and is_of_told else _Member(kept.customer_id)
        if own.spoiled:
            return
        self._wallet(kept, own)
        self._lots(kept, own)

    def _wallet(self, kept: Kept, own: "_Member") -> None:
        name, order = str(kept.customer_id), (2, kept.customer_id.int, 0)
        if kept.wallet is None:
            if own.version:
                self._fault(order, Place.WALLET, name, "is missing, and has entries")
            return
        differences = [*_differences(kept.wallet, own.wallet)]
        if kept.version != own.version:
            differences.append(f"it counts {kept.version} entries and there are {own.version}")
        if differences:
            self._fault(order, Place.WALLET, name, "; ".join(differences))

    def _lots(self, kept: Kept, own: "_Member") -> None:
        member = kept.customer_id.int
        for lot_id, what in own.lots.faults(kept.lots):
            self._fault((3, member, lot_id.int), Place.LOT, str(lot_id), what)
        left, due = sum(each.remaining for each in kept.lots), max(own.wallet.spendable, 0)
        if left != due:
            what = f"the open lots of this member hold {left} points, and {due} are spendable"
            self._fault((3, member, 2**128), Place.LOT, str(kept.customer_id), what)

    def _fault(self, order: tuple[int, int, int], place: Place, name: str, what: str) -> None:
        self.faults += 1
        if self.first is None or order < self.first.order:
            self.first = Fault(order, place, name, what)


@dataclass(slots=True)
class _Member:
    """What a member's entries add up to."""

    customer_id: UUID
    wallet: Wallet = EMPTY
    version: int = 0
    lots: LotBooks = field(default_factory=LotBooks)
    spoiled: bool = False
    """An entry says what no entry can, so they add up to nothing."""

    def add(self, stored: Stored, proof: Proof) -> None:
        values = dict(zip(SEALED, stored.values, strict=False))
        self.version += 1
        try:
            draft = _moves(values)
            self.lots.add(stored.entry_id, values)
        except (ValueError, TypeError, KeyError, RecursionError):
            self.spoiled = True
            order = (1, stored.entry_id.int, 0)
            proof._fault(order, Place.ENTRY, str(stored.entry_id), "says what no entry can say")
            return
        self.wallet = apply(self.wallet, draft)


def _moves(values: dict[str, Value]) -> EntryDraft:
    """As much of an entry as moves a wallet. Raises ValueError for a kind that there is not."""
    reverses = values["reverses"]
    return EntryDraft(
        kind=EntryKind(str(values["kind"])),
        points=int(values["points"] or 0),
        reason="",
        source=str(values["source"]),
        source_ref="",
        rule="",
        pending=bool(values["pending"]),
        reverses=None if reverses is None else EntryKind(str(reverses)),
    )


def _differences(kept: Wallet, folded: Wallet) -> Iterator[str]:
    for name in ("spendable", "pending", "spent", "expired"):
        said, due = getattr(kept, name), getattr(folded, name)
        if said != due:
            yield f"it has {said} {name} and its entries add up to {due}"
