"""LoyalNest's own staff as auth keeps it: sealed addresses, hashed passwords, no plain secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Status(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Admin:
    """A member of the staff. ``sealed_secret`` is the authenticator's, empty until one is set up;
    ``last_step`` the last of its steps that was used. Whatever ends all log-ins sets
    ``signed_out_at``: sessions from before it, and log-ins that were under way, hold no more."""

    admin_id: UUID
    email_index: str
    sealed_email: str
    role: str
    status: Status
    password_hash: str
    sealed_secret: str
    last_step: int
    created_at: datetime
    signed_out_at: datetime
    logged_in_at: datetime | None = None

    @property
    def is_active(self) -> bool:
        return self.status is Status.ACTIVE

    @property
    def is_enrolled(self) -> bool:
        """Whether an authenticator is set up: without one nobody gets in."""
        return bool(self.sealed_secret)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A place on the staff that waits for somebody; ``digest`` is of the token they were given."""

    invitation_id: UUID
    digest: bytes
    email_index: str
    sealed_email: str
    role: str
    invited_by: str
    created_at: datetime
    expires_at: datetime


class Admins(Protocol):
    """Works inside one transaction."""

    async def data_key(self, wrapped_new: str) -> str:
        """The wrapped key that all of this is sealed with; ``wrapped_new`` if there was none."""
        ...

    async def by_email(self, email_index: str) -> Admin | None: ...

    async def by_id(self, admin_id: UUID) -> Admin | None: ...

    async def lock(self, admin_id: UUID) -> Admin | None:
        """One admin, held until the transaction ends."""
        ...

    async def lock_all(self) -> Sequence[Admin]:
        """Every admin, held: for what depends on who else there is."""
        ...

    async def page(self, after: UUID | None, limit: int) -> Sequence[Admin]:
        """The newest first; only those made before ``after``."""
        ...

    async def add(self, admin: Admin) -> bool:
        """Keep a new one. False when the address is known: then nothing has changed."""
        ...

    async def keep(self, admin: Admin) -> None:
        """Store what has become of an admin that was locked before."""
        ...

    async def left_signed_in(self) -> Sequence[UUID]:
        """Admins with sessions from before they were signed out: a process died in between."""
        ...

    async def replace_recovery_codes(self, admin_id: UUID, digests: Sequence[str]) -> None: ...

    async def use_recovery_code(self, admin_id: UUID, digest: str) -> bool:
        """Whether there was such a code; there is none any more."""
        ...

    async def count_recovery_codes(self, admin_id: UUID) -> int: ...

    async def knows_device(self, admin_id: UUID, digest: bytes, since: datetime) -> bool:
        """Whether the admin has logged in from this device since then."""
        ...

    async def keep_device(self, admin_id: UUID, digest: bytes, now: datetime, at_most: int) -> None:
        """Know a device, or know that it was used again; beyond ``at_most`` forget the oldest."""
        ...

    async def forget_devices(self, admin_id: UUID) -> None: ...

    async def invite(self, invitation: Invitation) -> None:
        """Keep an invitation; an older one of the same address holds no more."""
        ...

    async def invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        """The invitation, if it holds."""
        ...

    async def take_invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        """The invitation, if it holds; of two who ask at once, one gets it."""
        ...

    async def withdraw(self, invitation_id: UUID) -> Invitation | None:
        """Take one back; None when there is none."""
        ...

    async def invitations(
        self, now: datetime, after: UUID | None, limit: int
    ) -> Sequence[Invitation]:
        """Those that hold, the newest first; only those made before ``after``."""
        ...
