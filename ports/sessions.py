"""Sessions as auth keeps them, their refresh tokens, and what was ended before its time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from contracts.caller import Audience
from ports.tokens import LEEWAY, LIFETIME

REFRESH_LIFETIME: Final = timedelta(days=30)
"""Of a refresh token; each use of one begins it anew."""

REMEMBERED: Final = LIFETIME + 2 * LEEWAY
"""How long a revocation has to be remembered: the tokens that it hits are all over by then, also
where the clocks of two machines are apart."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a session is for. ``impersonator`` is who acts as them (``admin:<id>``), mostly nobody;
    ``lifetime`` ends the session for good, however often it was refreshed."""

    audience: Audience
    subject: str
    merchant_id: UUID | None = None
    customer_id: UUID | None = None
    role: str = ""
    impersonator: str = ""
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in and all tokens that came of it. ``expires_at`` is when its newest refresh token is
    over; ``ends_at`` limits the whole session, if anything does."""

    session_id: UUID
    holder: Holder
    device: str
    opened_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    ends_at: datetime | None
    revoked_at: datetime | None = None


class SessionBook(Protocol):
    """Works inside one transaction."""

    async def shop_is_active(self, merchant_id: UUID) -> bool:
        """Whether the shop may be logged in to. It stays so until the transaction ends."""
        ...

    async def add(self, session: Session, token_hash: bytes) -> None:
        """Keep a new session and its first refresh token."""
        ...

    async def revoke(
        self, session_ids: Sequence[UUID], now: datetime, reason: str
    ) -> Sequence[Session]:
        """End these; answers those that were not ended before."""
        ...

    async def revoke_of_subject(
        self, audience: Audience, subject: str, merchant_id: UUID | None, now: datetime, reason: str
    ) -> Sequence[Session]:
        """The same for all sessions of a person; in any shop where ``merchant_id`` is None."""
        ...

    async def revoke_of_merchant(
        self, merchant_id: UUID, now: datetime, reason: str
    ) -> Sequence[Session]:
        """The same for all sessions in a shop."""
        ...

    async def remember(self, ids: Sequence[str], expires_at: datetime) -> None:
        """Have gateways refuse access tokens with one of these ids until ``expires_at``."""
        ...


class RefreshTokens(Protocol):
    """Makes refresh tokens: 256 bits nobody can guess, and of which only a keyed hash is kept."""

    def new(self) -> str: ...

    def hash(self, token: str) -> bytes: ...
