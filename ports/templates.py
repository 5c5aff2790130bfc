"""The notification texts that shops have written themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SavedText:
    """One language of one notification; ``updated_at`` is None for a text of the product's own."""

    subject: str
    body: str
    updated_at: datetime | None


class Templates(Protocol):
    async def save(self, merchant_id: UUID, kind: str, language: str, saved: SavedText) -> bool:
        """Store a text in place of the one before. False, and nothing changed, when it says the
        same."""
        ...

    async def texts(self, merchant_id: UUID, kind: str) -> Mapping[str, SavedText]:
        """A shop's own texts of a notification, by language."""
        ...
