"""Sessions as auth keeps them, their refresh tokens, and what was ended before its time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from contracts.caller import Audience
from ports.tokens import LEEWAY, LIFETIME

REFRESH_LIFETIME: Final = timedelta(days=30)
"""Of a refresh token; each use of one begins it anew."""

GRACE: Final = timedelta(seconds=10)
"""How long after its use a refresh token gets the same answer again: the first may have been lost
on its way."""

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


@dataclass(frozen=True, slots=True)
class Shown:
    """The session whose refresh token was shown. ``newest``: it is the one to go on with.
    ``salt``: it was used last, and its successor, which nobody has used yet, was made with this."""

    session: Session
    newest: bool
    salt: bytes | None


@dataclass(frozen=True, slots=True)
class Revocation:
    """An ended session or, where ``session_id`` is None, an ended token. It need not be remembered
    after ``expires_at``."""

    session_id: UUID | None
    token_id: str
    expires_at: datetime


class SessionBook(Protocol):
    """Works inside one transaction. Sessions of those who ask at once come one after another."""

    async def shop_is_active(self, merchant_id: UUID) -> bool:
        """Whether the shop may be logged in to. It stays so until the transaction ends."""
        ...

    async def add(self, session: Session, token_hash: bytes) -> None:
        """Keep a new session and its first refresh token."""
        ...

    async def of_token(self, token_hash: bytes) -> Shown | None:
        """The session that this refresh token belongs to, held until the transaction ends."""
        ...

    async def rotate(self, session: Session, salt: bytes, token_hash: bytes) -> None:
        """Store when a held session was refreshed and is over. Its newest token is used now, the
        one of ``token_hash``, made with ``salt``, comes after it."""
        ...

    async def find(self, session_id: UUID) -> Session | None: ...

    async def of_holder(
        self, holder: Holder, now: datetime, after: UUID | None, limit: int
    ) -> Sequence[Session]:
        """Sessions of this audience, subject and shop that can be gone on with, the newest first,
        from the one after ``after`` on."""
        ...

    async def revoke(
        self, session_ids: Sequence[UUID], now: datetime, reason: str
    ) -> Sequence[Session]:
        """End these; answers those that were not ended before."""
        ...

    async def revoke_of_subject(
        self, audience: Audience, subject: str, merchant_id: UUID | None, now: datetime, reason: str
    ) -> Sequence[Session]:
        """The same for all sessions of a person, also those in which they act as somebody else; in
        any shop where ``merchant_id`` is None."""
        ...

    async def revoke_of_merchant(
        self, merchant_id: UUID, now: datetime, reason: str
    ) -> Sequence[Session]:
        """The same for all sessions in a shop."""
        ...

    async def revoke_of_closed(
        self, closed_at: Mapping[UUID, datetime], now: datetime, reason: str
    ) -> Sequence[Session]:
        """The same for shops that were closed. One that is active again keeps the sessions that
        were opened since."""
        ...

    async def remember(self, revocations: Iterable[Revocation]) -> int:
        """Have access tokens refused. Answers how many of these were not remembered before."""
        ...

    async def is_revoked(self, session_id: UUID | None, token_id: str) -> bool:
        """Whether an access token with these ids is refused."""
        ...

    async def revoked(self, since: datetime | None) -> tuple[datetime, Sequence[Revocation]]:
        """What is to be remembered now; with ``since``, at least what came after that. Besides, the
        moment to ask from next time."""
        ...

    async def forget_ended(self, now: datetime) -> None:
        """Remove what is over and makes no difference any more."""
        ...


class RefreshTokens(Protocol):
    """Makes refresh tokens: 256 bits nobody can guess, and of which only a keyed hash is kept."""

    def new(self) -> str: ...

    def salt(self) -> bytes:
        """Something random to make a successor with."""
        ...

    def successor(self, token: str, salt: bytes) -> str:
        """The token that comes after ``token``: the same for the same salt, so that it can be told
        again without being kept."""
        ...

    def hash(self, token: str) -> bytes: ...


class RevokedCopy(Protocol):
    """What is revoked, where those who do not speak to auth can look. Nothing of ours relies on
    it."""

    async def is_whole(self) -> bool:
        """False when it may have lost something. Raises Unavailable."""
        ...

    async def put(self, revocations: Iterable[Revocation], now: datetime) -> None:
        """Add these; it is whole from then on if it was before or these are all. Raises
        Unavailable."""
        ...
