"""Impersonation: LoyalNest's staff acts as a shop's staff, and the shop sees it."""

from typing import Final
from uuid import UUID

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from contracts.sessions import TokenPair
from domain.admins.errors import CannotImpersonate, ShopNotActive
from domain.errors import Forbidden, InvalidRequest, NotFound

_AUTH: Final = "auth"
_SUPPORT: Final = "admin:support"


class StartImpersonation(Request, frozen=True, kw_only=True):
    """``role`` is one of the roles that every shop has, as far as one's own role goes. ``reason``
    has 10 to 500 characters on one line; the shop reads it, so it names no customer."""

    merchant_id: UUID
    role: str
    reason: str


class ImpersonationStarted(Response, frozen=True, kw_only=True):
    """A session as the shop's staff. It ends at ``ends_at``, however often it is refreshed."""

    impersonation_id: UUID
    session: TokenPair
    ends_at: Instant


START_IMPERSONATION: Final = Operation(
    "auth.v1.StartImpersonation",
    StartImpersonation,
    ImpersonationStarted,
    permission=_SUPPORT,
    summary="Log in as staff of a shop for 30 minutes. The shop sees why, and can end it.",
    http=post("/admin/v1/impersonations", status=201),
    errors=(InvalidRequest, NotFound, Forbidden, CannotImpersonate, ShopNotActive),
)


class ListImpersonations(Request, frozen=True, kw_only=True):
    """``merchant_id`` narrows to one shop; ``limit`` is 1 to 250."""

    merchant_id: UUID | None = None
    limit: int = 50
    cursor: str | None = None


class ImpersonationInfo(Response, frozen=True, kw_only=True):
    """``ended_by`` is "staff" (LoyalNest's), "shop" or "time", and empty while it goes on."""

    impersonation_id: UUID
    merchant_id: UUID
    admin_id: UUID
    staff_name: str
    role: str
    reason: str
    started_at: Instant
    ends_at: Instant
    ended_at: Instant | None = None
    ended_by: str = ""


class ImpersonationsPage(Page, frozen=True, kw_only=True):
    impersonations: tuple[ImpersonationInfo, ...]


LIST_IMPERSONATIONS: Final = Operation(
    "auth.v1.ListImpersonations",
    ListImpersonations,
    ImpersonationsPage,
    permission=_SUPPORT,
    summary="Who acted as whose staff, the newest first.",
    http=get("/admin/v1/impersonations"),
    errors=(InvalidRequest,),
)


class ImpersonationNamed(Request, frozen=True, kw_only=True):
    impersonation_id: UUID


END_IMPERSONATION: Final = Operation(
    "auth.v1.EndImpersonation",
    ImpersonationNamed,
    ImpersonationInfo,
    permission=_SUPPORT,
    summary="End an impersonation before its time. Its tokens hold no more.",
    http=post("/admin/v1/impersonations/end"),
    errors=(NotFound,),
    idempotency=Idempotency.NATURAL,
)


class ListVisits(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250."""

    limit: int = 50
    cursor: str | None = None


class Visit(Response, frozen=True, kw_only=True):
    """That LoyalNest acted as the shop's staff: who it was by function, as what, and why.
    ``ended_by`` is "staff" (LoyalNest's), "shop" or "time", and empty while it goes on. What was
    done is in the audit log, under the actor ``impersonation:<impersonation id>``."""

    impersonation_id: UUID
    staff_name: str
    role: str
    reason: str
    started_at: Instant
    ends_at: Instant
    ended_at: Instant | None = None
    ended_by: str = ""


class Visits(Page, frozen=True, kw_only=True):
    visits: tuple[Visit, ...]


LIST_VISITS: Final = Operation(
    "auth.v1.ListVisits",
    ListVisits,
    Visits,
    permission="audit:read",
    summary="When LoyalNest's staff acted as the shop's, and why; the newest first.",
    http=get("/v1/api/auth/impersonations"),
    errors=(InvalidRequest,),
)

END_VISIT: Final = Operation(
    "auth.v1.EndVisit",
    ImpersonationNamed,
    Visit,
    permission="settings:write",
    summary="Show LoyalNest's staff out. The tokens hold no more.",
    http=post("/v1/api/auth/impersonations/end"),
    errors=(NotFound,),
    idempotency=Idempotency.NATURAL,
)


class ImpersonationMoved(Body, frozen=True, kw_only=True):
    """``ended_by`` is empty when it begins."""

    impersonation_id: UUID
    admin_id: UUID
    staff_name: str
    role: str
    reason: str
    ends_at: Instant
    ended_by: str = ""


IMPERSONATION_STARTED: Final = Event(
    "impersonation.started",
    ImpersonationMoved,
    _AUTH,
    "LoyalNest's staff begins to act as the shop's.",
)
IMPERSONATION_ENDED: Final = Event(
    "impersonation.ended",
    ImpersonationMoved,
    _AUTH,
    "LoyalNest's staff does not act as the shop's any more.",
)

CONTRACTS: Final = Contracts(
    operations=(
        START_IMPERSONATION,
        LIST_IMPERSONATIONS,
        END_IMPERSONATION,
        LIST_VISITS,
        END_VISIT,
    ),
    events=(IMPERSONATION_STARTED, IMPERSONATION_ENDED),
)
