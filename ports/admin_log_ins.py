"""Log-ins of admins that are under way, and the failures that were counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.admins.guessing import Failures
from ports.admins import Admins
from ports.impersonations import Impersonations


class Step(StrEnum):
    """What is still asked of somebody whose first factor was right."""

    CODE = "code"
    ENROL = "enrol"  # there is no authenticator yet


@dataclass(frozen=True, slots=True)
class Challenge:
    """A log-in between its two factors; ``digest`` is of the token that it is known by.

    ``device`` is the digest of a known device, in hex, or empty. ``sealed_secret`` is that of the
    authenticator being set up, once it was shown.
    """

    digest: bytes
    admin_id: UUID
    step: Step
    device: str
    sealed_secret: str
    tries: int
    began_at: datetime
    expires_at: datetime


class LogIns(Protocol):
    """Works inside one transaction."""

    async def failures(self, account: str, buckets: Sequence[str]) -> Mapping[str, Failures]:
        """What these buckets hold, empty ones left out. Others who ask for the same account wait
        until the transaction ends."""
        ...

    async def keep_failures(self, account: str, failures: Mapping[str, Failures]) -> None: ...

    async def clear_failures(self, account: str) -> None:
        """Empty all buckets of an account."""
        ...

    async def begin(self, challenge: Challenge) -> None: ...

    async def lock_challenge(self, digest: bytes, now: datetime) -> Challenge | None:
        """One that is not over, held until the transaction ends."""
        ...

    async def keep(self, challenge: Challenge) -> None: ...

    async def end(self, digest: bytes) -> None: ...

    async def begin_errand(self, digest: bytes, expires_at: datetime) -> None:
        """Remember that a browser was sent to the identity provider."""
        ...

    async def take_errand(self, digest: bytes, now: datetime) -> bool:
        """Whether one was sent and is not over; it counts once."""
        ...

    async def tidy(self, now: datetime, forgotten: datetime, unused: datetime) -> None:
        """Remove what is over ``now``, failures from before ``forgotten``, devices from before
        ``unused``."""
        ...


@dataclass(frozen=True, slots=True)
class AdminStores:
    """What a transaction about admins works with."""

    admins: Admins
    log_ins: LogIns
    impersonations: Impersonations
