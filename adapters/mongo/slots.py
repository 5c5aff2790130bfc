"""Where each entry of a shop is sealed, on the disk of whoever proves it: a large shop's do not fit
into memory, and MongoDB joins nothing with the inside of a block."""

import errno
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from domain.points.chain import Block, Slot

_SLOTS = """
CREATE TABLE slots (entry_id BLOB, number INTEGER, position INTEGER, digest BLOB, seen INTEGER,
    PRIMARY KEY (entry_id, number, position)) WITHOUT ROWID
"""
_WAITING = "CREATE TABLE waiting (entry_id BLOB PRIMARY KEY) WITHOUT ROWID"


class Slots:
    """Of one shop, 70 bytes an entry. SQLite keeps them in the folder of temporary files (TMPDIR),
    in one that is gone with whoever opened it; ids and digests are all that is in there.

    Raises OSError when there is no room for more.
    """

    def __init__(self) -> None:
        self._known = sqlite3.connect("", isolation_level=None)
        # One transaction that never ends: nothing of this has to last.
        for statement in ("PRAGMA journal_mode = OFF", "BEGIN", _SLOTS, _WAITING):
            self._known.execute(statement)

    def add(self, block: Block) -> None:
        # What a block does not list a digest for is sealed as nothing at all.
        digests = [*block.digests, *[b""] * (len(block.entry_ids) - len(block.digests))]
        pairs = zip(block.entry_ids, digests, strict=False)
        self._insert(
            "INSERT OR IGNORE INTO slots VALUES (?, ?, ?, ?, 0)",
            [
                (entry_id.bytes, block.number, position, digest)
                for position, (entry_id, digest) in enumerate(pairs, 1)
            ],
        )

    def take(self, entry_id: UUID) -> Sequence[Slot]:
        """Every place where an entry is sealed."""
        found = self._known.execute(
            "UPDATE slots SET seen = 1 WHERE entry_id = ? RETURNING number, position, digest",
            (entry_id.bytes,),
        )
        return [Slot(entry_id, *row) for row in sorted(found.fetchall())]

    def left(self) -> Iterator[Slot]:
        """Places of entries that nobody has asked for."""
        found = self._known.execute(
            "SELECT entry_id, number, position, digest FROM slots WHERE seen = 0"
            " ORDER BY entry_id, number, position"
        )
        for entry_id, *place in found:
            yield Slot(UUID(bytes=entry_id), *place)

    def nobody_waits(self) -> None:
        self._known.execute("DELETE FROM waiting")

    def wait(self, entry_ids: Iterable[UUID]) -> None:
        """It is right that these are in no block."""
        self._insert(
            "INSERT OR IGNORE INTO waiting VALUES (?)", [(each.bytes,) for each in entry_ids]
        )

    def waits(self, entry_id: UUID) -> bool:
        found = self._known.execute("SELECT 1 FROM waiting WHERE entry_id = ?", (entry_id.bytes,))
        return found.fetchone() is not None

    def _insert(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            self._known.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            what = "there is no room in TMPDIR for where entries are sealed, 70 bytes each"
            raise OSError(errno.ENOSPC, what) from error

    def close(self) -> None:
        self._known.close()
