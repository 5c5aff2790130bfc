"""The shops' program settings: every version that ever was, the last of them being in force."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.program import ProgramSettings


@dataclass(frozen=True, slots=True)
class Saved:
    """One version; ``by`` is who saved it."""

    settings: ProgramSettings
    at: datetime
    by: str


class SettingsHistory(Protocol):
    """Works inside one transaction. No version is ever changed."""

    async def version(self, merchant_id: UUID, version: int = 0) -> Saved | None:
        """One version of a shop's settings, 0 for the one in force."""
        ...

    async def begin(
        self, settings: Mapping[UUID, ProgramSettings], at: datetime, by: str
    ) -> Set[UUID]:
        """Give shops their first version; returns those that had none."""
        ...

    async def save(self, merchant_id: UUID, saved: Saved) -> bool:
        """Add a version. False when somebody else has added the same one."""
        ...
