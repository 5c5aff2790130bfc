"""Rows that are to be sealed with their shop's new key, and the shops whose rows still are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SealedRow:
    """What is sealed in a row, and what about, by column; empty where nothing is."""

    row_id: UUID
    texts: Mapping[str, str] = field(repr=False)
    abouts: Mapping[str, str]


class Errand(NamedTuple):
    """A shop whose rows are gone through; those up to ``after`` were looked at."""

    merchant_id: UUID
    after: UUID
    due_at: datetime


class SealedRows(Protocol):
    """The sealed rows of a service. Works inside one transaction, and goes on after a crash where
    it last committed."""

    async def begin(self, merchant_ids: Collection[UUID], now: datetime) -> None:
        """Go through the rows of these shops, from the start."""
        ...

    async def due(self, now: datetime) -> Sequence[Errand]: ...

    async def under(
        self, errand: Errand, key_ids: Collection[str], limit: int
    ) -> Sequence[SealedRow]:
        """The next rows that are sealed with any of these keys, held until the transaction ends.
        Those that somebody else holds are left out."""
        ...

    async def replace(self, merchant_id: UUID, rows: Sequence[SealedRow]) -> None:
        """Store other texts in rows that are held. They mean the same, so nothing else changes."""
        ...

    async def advance(self, errand: Errand, after: UUID) -> Errand:
        """The rows up to this one were looked at."""
        ...

    async def put_off(self, errand: Errand, due_at: datetime) -> None:
        """Begin again then, unless it was begun again meanwhile."""
        ...

    async def end(self, errand: Errand) -> None:
        """There is nothing more to look for, unless it was begun again meanwhile."""
        ...

    async def count(self, merchant_id: UUID, key_id: str) -> int:
        """Rows of a shop that are sealed with this key."""
        ...
