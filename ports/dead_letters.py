"""Events that could not be applied: filed with the reason, and sent again when somebody says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.kit import Body

OPEN = "open"
REPLAYED = "replayed"


class Died(Body, frozen=True, kw_only=True):
    """What a consumer put aside. ``payload`` is as it came and may be anything; ``said_at`` is the
    publisher's time stamp as it stood in the message, empty when there was none."""

    subject: str
    event_id: str
    consumer: str
    reason: str
    tries: int
    said_at: str = ""
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class NewLetter:
    letter_id: UUID
    merchant_id: UUID
    event: str
    died: Died
    trace: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """A filed letter without its content."""

    letter_id: UUID
    event: str
    event_id: str
    consumer: str
    reason: str
    tries: int
    state: str
    at: datetime
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """What it takes to send an event again, to the consumer that could not apply it."""

    letter_id: UUID
    subject: str
    event_id: str
    consumer: str
    said_at: str
    trace: str
    payload: bytes


class DeadLetters(Protocol):
    async def file(self, letters: Sequence[NewLetter]) -> None: ...

    async def letters(
        self, merchant_id: UUID, state: str, before: UUID | None, limit: int
    ) -> Sequence[Letter]:
        """Newest first, those filed before ``before``; an empty ``state`` means any."""
        ...

    async def letter(self, merchant_id: UUID, letter_id: UUID) -> Letter | None: ...

    async def content(self, merchant_id: UUID, letter_id: UUID) -> OpenLetter | None: ...

    async def mark_replayed(self, merchant_id: UUID, letter_id: UUID, at: datetime) -> None:
        """One that was replayed before keeps its first time."""
        ...


class Replay(Protocol):
    async def __call__(self, letter: OpenLetter) -> None:
        """Send the event again, for its consumer only. Raises Unavailable when it is not stored."""
        ...
