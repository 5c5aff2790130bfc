"""Statements and proof: every point explained, entries undone, the whole ledger to take along."""

from typing import Final
from uuid import UUID

from contracts.kit import (
    Contracts,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from contracts.points import Balance, MemberRef
from domain.errors import DuplicateRequest, InvalidRequest, NotFound
from domain.points.reversal import AlreadyReversed, NotReversible
from domain.points.wallet import InsufficientPoints


class StatementOf(MemberRef, frozen=True, kw_only=True):
    """What happened from ``since`` (left out: the beginning) and before ``until`` (left out: now).
    ``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    since: Instant | None = None
    until: Instant | None = None
    cursor: str | None = None
    limit: int = 50


class PaidBy(Response, frozen=True, kw_only=True):
    """A lot that paid ``points``, or got them back. ``lot_id`` is the id of the entry that opened
    it; ``expires_at`` None where no date is set."""

    lot_id: UUID
    points: int
    opened_at: Instant
    expires_at: Instant | None = None


class StatementLine(Response, frozen=True, kw_only=True):
    """An entry of the ledger and the balance after it. ``words`` say why it is there; ``reason`` is
    what whoever made it gave as one. Of what was earned by a rule there are the rule, the version
    of the settings it was of, points per unit or per order (``fixed``) and the spend that counted,
    shop ``currency``. ``lots`` are those a debit took from. ``undoes`` and ``undone_by`` are ids of
    entries; ``waived`` counts points that a refund did not ask back. Of a move between stores that
    share a balance, ``other_store`` is the other one, the id of a merchant."""

    entry_id: UUID
    at: Instant
    kind: str
    points: int
    pending: bool
    words: str
    reason: str
    source: str
    source_ref: str
    spendable: int
    waiting: int
    order_id: str = ""
    rule: str = ""
    settings_version: int | None = None
    rate: str = ""
    fixed: int = 0
    spend: str = ""
    currency: str = ""
    waived: int = 0
    lots: tuple[PaidBy, ...] = ()
    undoes: UUID | None = None
    undone_by: UUID | None = None
    other_store: UUID | None = None


class Statement(Page, frozen=True, kw_only=True):
    """The oldest first. ``opening`` is the balance before ``since`` and ``closing`` the one before
    ``until``: what lies between is the sum of all lines, on however many pages."""

    opening: Balance
    closing: Balance
    lines: tuple[StatementLine, ...]


GET_STATEMENT: Final = Operation(
    "points.v1.GetStatement",
    StatementOf,
    Statement,
    permission="points:read",
    summary="A member's statement: every point with why it came or went, and the balance after it.",
    http=get("/v1/api/points/statement"),
    errors=(NotFound, InvalidRequest),
)


class Reverse(Request, frozen=True, kw_only=True):
    """An entry of a member to be undone; ``reason`` (1 to 200 characters) is shown to them. Unless
    ``force``, nothing is undone that the member has spent."""

    customer_id: UUID
    entry_id: UUID
    reason: str
    force: bool = False


class Reversed(Response, frozen=True, kw_only=True):
    """``entry_id`` is the new entry's. An order may have needed a correction besides; ``balance``
    is after all of it."""

    entry_id: UUID
    points: int
    balance: Balance


REVERSE: Final = Operation(
    "points.v1.ReversePoints",
    Reverse,
    Reversed,
    permission="points:adjust",
    summary="Undo one entry of the ledger, once, by another that takes back what it gave.",
    http=post("/v1/api/points/reverse"),
    errors=(
        NotFound,
        InvalidRequest,
        AlreadyReversed,
        NotReversible,
        InsufficientPoints,
        DuplicateRequest,
    ),
    idempotency=Idempotency.KEY,
)


class ExportOf(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    cursor: str | None = None
    limit: int = 250


class ExportedEntry(Response, frozen=True, kw_only=True):
    """An entry with every column there is. ``snapshot`` and ``uses`` are JSON, to the letter what
    was sealed, times are in microseconds since 1970: from these, in this order and without the
    last two, ``digest`` (hexadecimal) can be computed anew (docs/ledger.md). ``time`` is ``at``."""

    merchant_id: UUID
    customer_id: UUID
    entry_id: UUID
    kind: str
    points: int
    pending: bool
    reason: str
    source: str
    source_ref: str
    rule: str
    line: str
    order_id: str
    waived: int
    reverses: str | None
    snapshot: str | None
    at: int
    tx: int
    uses: str | None
    undoes: UUID | None
    expires_at: int | None
    idle_days: int | None
    time: Instant
    digest: str


class ExportPage(Page, frozen=True, kw_only=True):
    """By member and id. ``head`` is the last block of the shop's chain, ``<number>:<hash>``, empty
    while there is none: kept elsewhere, it proves later that nothing was rewritten."""

    entries: tuple[ExportedEntry, ...]
    head: str


EXPORT: Final = Operation(
    "points.v1.ExportLedger",
    ExportOf,
    ExportPage,
    permission="audit:read",
    summary="The shop's whole ledger, page by page, with the digests that prove it.",
    http=get("/v1/api/points/export"),
    errors=(InvalidRequest,),
)

CONTRACTS: Final = Contracts(operations=(GET_STATEMENT, REVERSE, EXPORT))
