"""Admin core: the audit log, privacy requests taken in, and dead letters."""

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
from contracts.limits import REPLAYS
from domain.errors import InvalidRequest, NotFound

_ADMIN: Final = "admin_core"


class GetAuditLogs(Request, frozen=True, kw_only=True):
    """Newest first. ``action`` narrows to one event name; ``limit`` is 1 to 250."""

    action: str = ""
    since: Instant | None = None
    until: Instant | None = None
    cursor: str | None = None
    limit: int = 50


class AuditRecord(Response, frozen=True, kw_only=True):
    """Who did what to whom; ids only. ``actor`` is ``<kind>:<id>``, ``subject`` the same."""

    record_id: UUID
    action: str
    actor: str
    subject: str
    details: str
    occurred_at: Instant


class AuditRecords(Page, frozen=True, kw_only=True):
    records: tuple[AuditRecord, ...]


GET_AUDIT_LOGS: Final = Operation(
    "admin_core.v1.GetAuditLogs",
    GetAuditLogs,
    AuditRecords,
    permission="audit:read",
    summary="What happened in the shop.",
    http=get("/v1/api/audit"),
    errors=(InvalidRequest,),
)


class ListDeadLetters(Request, frozen=True, kw_only=True):
    """``state`` is "open", "replayed" or "" for both."""

    state: str = "open"
    cursor: str | None = None
    limit: int = 50


class DeadLetter(Response, frozen=True, kw_only=True):
    """An event that a consumer could not apply; its content is not shown."""

    letter_id: UUID
    event: str
    event_id: str
    consumer: str
    reason: str
    tries: int
    state: str
    died_at: Instant
    replayed_at: Instant | None = None


class DeadLetters(Page, frozen=True, kw_only=True):
    letters: tuple[DeadLetter, ...]


LIST_DEAD_LETTERS: Final = Operation(
    "admin_core.v1.ListDeadLetters",
    ListDeadLetters,
    DeadLetters,
    permission="audit:read",
    summary="Events of the shop that could not be applied, newest first.",
    http=get("/v1/api/dead-letters"),
    errors=(InvalidRequest,),
)


class ReplayDeadLetter(Request, frozen=True, kw_only=True):
    letter_id: UUID


REPLAY_DEAD_LETTER: Final = Operation(
    "admin_core.v1.ReplayDeadLetter",
    ReplayDeadLetter,
    DeadLetter,
    permission="audit:replay",
    summary="Try an event again; whoever has applied it before ignores it.",
    http=post("/v1/api/dead-letters/replay"),
    errors=(NotFound,),
    idempotency=Idempotency.NATURAL,
    rate=REPLAYS,
)


class ListPrivacyRequests(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    cursor: str | None = None
    limit: int = 50


class PrivacyCase(Response, frozen=True, kw_only=True):
    """A GDPR request; it is due 30 days after it came in. ``kind`` is data_request,
    customer_redact or shop_redact; ``state`` received, collecting, completed or failed."""

    request_id: UUID
    kind: str
    state: str
    customer_id: UUID | None = None
    received_at: Instant
    due_at: Instant


class PrivacyCases(Page, frozen=True, kw_only=True):
    requests: tuple[PrivacyCase, ...]


LIST_PRIVACY_REQUESTS: Final = Operation(
    "admin_core.v1.ListPrivacyRequests",
    ListPrivacyRequests,
    PrivacyCases,
    permission="audit:read",
    summary="Data and erasure requests of the shop's customers, newest first.",
    http=get("/v1/api/gdpr/requests"),
    errors=(InvalidRequest,),
)


class PrivacyRequestCreated(Body, frozen=True, kw_only=True):
    request_id: UUID
    kind: str
    customer_id: UUID | None = None
    due_at: Instant


GDPR_REQUEST_CREATED: Final = Event(
    "gdpr_request.created", PrivacyRequestCreated, _ADMIN, "A privacy request was taken in."
)

CONTRACTS: Final = Contracts(
    operations=(
        GET_AUDIT_LOGS,
        LIST_DEAD_LETTERS,
        REPLAY_DEAD_LETTER,
        LIST_PRIVACY_REQUESTS,
    ),
    events=(GDPR_REQUEST_CREATED,),
)
