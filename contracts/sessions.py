"""Sessions: how a log-in goes on after its access token is over, and how it is ended at once."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from contracts.kit import (
    AUTHENTICATED,
    INTERNAL,
    PUBLIC,
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Nothing,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from contracts.limits import TOKENS
from domain.errors import InvalidRequest, NotFound, Unauthenticated


class Why(StrEnum):
    """Why a session or a token was ended before its time."""

    LOGGED_OUT = "logged_out"
    REVOKED = "revoked"  # by its owner or by LoyalNest's staff
    REUSED = "reused"  # a refresh token was used twice: one of the two users is a thief
    SHOP_CLOSED = "shop_closed"  # the shop was suspended or has removed the app


class TokenPair(Response, frozen=True, kw_only=True):
    """An access token for 15 minutes, and a refresh token that gets the next pair, once. Both are
    secrets of who they were given to."""

    token: str
    expires_at: Instant
    refresh_token: str
    refresh_expires_at: Instant


class RefreshSession(Request, frozen=True, kw_only=True):
    """The refresh token of the newest pair of a session."""

    refresh_token: str


REFRESH_SESSION: Final = Operation(
    "auth.v1.RefreshSession",
    RefreshSession,
    TokenPair,
    permission=PUBLIC,
    summary="The next pair of tokens of a session. The refresh token is used up by it: shown "
    "again after a few seconds, it ends the session, for one of two who have it is a thief.",
    http=post("/v1/api/auth/refresh"),
    errors=(Unauthenticated,),
    rate=TOKENS,
)


class Revoked(Response, frozen=True, kw_only=True):
    """How many sessions and single tokens were ended that had not been before."""

    sessions: int
    tokens: int = 0


LOG_OUT: Final = Operation(
    "auth.v1.LogOut",
    Nothing,
    Revoked,
    permission=AUTHENTICATED,
    summary="End the session that asks, with all its tokens.",
    http=post("/v1/api/auth/logout"),
    idempotency=Idempotency.NATURAL,
)


class ListSessions(Request, frozen=True, kw_only=True):
    """A page of one's own sessions, the newest first; ``limit`` is 1 to 250."""

    limit: int = 50
    cursor: str | None = None


class SessionInfo(Response, frozen=True, kw_only=True):
    """A session that can be gone on with. ``device`` is what its log-in said of where it was made;
    ``impersonator`` names the member of LoyalNest's staff who opened it, if one did."""

    session_id: UUID
    device: str
    role: str
    impersonator: str
    opened_at: Instant
    refreshed_at: Instant
    expires_at: Instant
    current: bool


class SessionsPage(Page, frozen=True, kw_only=True):
    sessions: tuple[SessionInfo, ...]


LIST_SESSIONS: Final = Operation(
    "auth.v1.ListSessions",
    ListSessions,
    SessionsPage,
    permission=AUTHENTICATED,
    summary="One's own sessions, the newest first.",
    http=get("/v1/api/auth/sessions"),
    errors=(InvalidRequest,),
)


class RevokeSession(Request, frozen=True, kw_only=True):
    session_id: UUID


REVOKE_SESSION: Final = Operation(
    "auth.v1.RevokeSession",
    RevokeSession,
    Revoked,
    permission=AUTHENTICATED,
    summary="End one of one's own sessions, with all its tokens.",
    http=post("/v1/api/auth/sessions/revoke"),
    errors=(NotFound,),
    idempotency=Idempotency.NATURAL,
)


class Revoke(Request, frozen=True, kw_only=True):
    """What is to be ended, one of: a token by its id, a session, all sessions of a subject (with
    its audience; in one shop if ``shop_domain`` says which), all sessions of a shop."""

    token_id: str = ""
    session_id: UUID | None = None
    audience: str = ""
    subject: str = ""
    shop_domain: str = ""


REVOKE: Final = Operation(
    "auth.v1.Revoke",
    Revoke,
    Revoked,
    permission="admin:support",
    summary="End a token, a session, or all sessions of a person or a shop, at once.",
    http=post("/admin/v1/auth/revoke"),
    errors=(InvalidRequest, NotFound),
    idempotency=Idempotency.NATURAL,
)


class ListRevoked(Request, frozen=True, kw_only=True):
    """``since`` is the ``as_of`` of the answer before; without it everything is listed."""

    since: Instant | None = None


class RevokedItem(Response, frozen=True, kw_only=True):
    """An ended session or, where there is no session, an ended token. After ``expires_at`` none of
    its access tokens can be valid any more, whatever is remembered."""

    session_id: UUID | None = None
    token_id: str = ""
    expires_at: Instant


class RevokedList(Response, frozen=True, kw_only=True):
    """What was ended and may have access tokens still. Something may be listed again that was
    listed before."""

    as_of: Instant
    revoked: tuple[RevokedItem, ...]


LIST_REVOKED: Final = Operation(
    "auth.v1.ListRevoked",
    ListRevoked,
    RevokedList,
    permission=INTERNAL,
    summary="What access tokens have to be checked against.",
)


class AuthRevoked(Body, frozen=True, kw_only=True):
    """Ended sessions, and tokens that were ended by themselves: access tokens that name one of them
    (``session_id``, ``jti``) hold no more. ``subject`` is whose they were, if one person's."""

    session_ids: tuple[UUID, ...] = ()
    token_ids: tuple[str, ...] = ()
    expires_at: Instant
    reason: str  # a value of Why
    subject: str = ""


AUTH_REVOKED: Final = Event(
    "auth.revoked", AuthRevoked, "auth", "Sessions or tokens were ended before their time."
)

CONTRACTS: Final = Contracts(
    operations=(
        REFRESH_SESSION,
        LOG_OUT,
        LIST_SESSIONS,
        REVOKE_SESSION,
        REVOKE,
        LIST_REVOKED,
    ),
    events=(AUTH_REVOKED,),
)
