"""The audit log as the use cases need it: records are added and read, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.audit import AuditRecord


class Position(NamedTuple):
    """Where a page ended: the records are in the order of their time, then of their id."""

    at: datetime
    record_id: UUID


@dataclass(frozen=True, slots=True)
class Search:
    """A shop's records; ``since`` is included, ``until`` is not; an empty ``action`` means any."""

    merchant_id: UUID
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A record as it is read back. ``actor`` is ``<kind>:<id>``."""

    record_id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    details: str


class Audit(Protocol):
    async def append(self, records: Sequence[AuditRecord]) -> None:
        """Add records of shops; one whose id is known is left as it is."""
        ...

    async def find(self, search: Search, limit: int) -> Sequence[AuditLine]:
        """Newest first."""
        ...
