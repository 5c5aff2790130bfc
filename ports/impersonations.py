"""When LoyalNest's staff acts as a shop's staff: why, since when, until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Impersonation:
    """``staff_name`` is what the shop is told of who it is; ``ended_by`` a value of
    ``domain.admins.impersonation.EndedBy``, empty while it goes on."""

    impersonation_id: UUID
    merchant_id: UUID
    admin_id: UUID
    staff_name: str
    role: str
    reason: str
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""


class Impersonations(Protocol):
    """Works inside one transaction."""

    async def shop_is_active(self, merchant_id: UUID) -> bool | None:
        """None for a shop that nobody knows."""
        ...

    async def add(self, impersonation: Impersonation) -> None: ...

    async def find(self, impersonation_id: UUID) -> Impersonation | None: ...

    async def end(
        self, impersonation_id: UUID, merchant_id: UUID | None, by: str, now: datetime
    ) -> Impersonation | None:
        """End one, of this shop if it says which. None when there is none that goes on."""
        ...

    async def end_of_admin(self, admin_id: UUID, by: str, now: datetime) -> Sequence[Impersonation]:
        """End all of an admin; answers those that went on."""
        ...

    async def end_overdue(self, by: str, now: datetime, limit: int) -> Sequence[Impersonation]:
        """End what has outlasted its time, at ``ends_at``; what somebody else is ending is left
        to them."""
        ...

    async def left_open(self, now: datetime) -> Sequence[UUID]:
        """Ended ones whose tokens still hold: a process died in between."""
        ...

    async def page(
        self, merchant_id: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[Impersonation]:
        """The newest first, of one shop or of all; only those begun before ``after``."""
        ...
