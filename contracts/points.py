"""Points: balances, history, adjustments, and what happens to a member's wallet."""

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
from domain.errors import DuplicateRequest, InvalidRequest, NotFound
from domain.points.wallet import InsufficientPoints

_POINTS: Final = "points"


class MemberRef(Request, frozen=True, kw_only=True):
    """A member, by our id or by Shopify's; one of the two. A customer's token names itself."""

    customer_id: UUID | None = None
    shopify_customer_id: str | None = None


class Balance(Response, frozen=True, kw_only=True):
    """A wallet. ``lifetime = spendable + pending + spent + expired``."""

    customer_id: UUID
    spendable: int
    pending: int
    lifetime: int
    spent: int
    expired: int


GET_BALANCE: Final = Operation(
    "points.v1.GetPointsBalance",
    MemberRef,
    Balance,
    permission="points:read",
    summary="A member's points now.",
    http=get("/v1/api/points/balance"),
    errors=(NotFound,),
)


class BalancesOf(Request, frozen=True, kw_only=True):
    customer_ids: tuple[UUID, ...]


class Balances(Response, frozen=True, kw_only=True):
    """The wallets that exist, in no particular order."""

    balances: tuple[Balance, ...]


GET_BALANCES: Final = Operation(
    "points.v1.GetPointsBalances",
    BalancesOf,
    Balances,
    permission="points:read",
    summary="The points of many members at once (250 at most).",
    http=post("/v1/api/points/balances"),
    errors=(InvalidRequest,),
)


class HistoryOf(MemberRef, frozen=True, kw_only=True):
    """``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    cursor: str | None = None
    limit: int = 50


class Entry(Response, frozen=True, kw_only=True):
    """One line of the ledger; ``points`` is negative when points were taken."""

    entry_id: UUID
    kind: str
    points: int
    pending: bool
    reason: str
    source: str
    source_ref: str
    created_at: Instant


class History(Page, frozen=True, kw_only=True):
    entries: tuple[Entry, ...]


GET_HISTORY: Final = Operation(
    "points.v1.GetPointsHistory",
    HistoryOf,
    History,
    permission="points:read",
    summary="A member's ledger, newest first.",
    http=get("/v1/api/points/history"),
    errors=(NotFound,),
)


class Adjust(Request, frozen=True, kw_only=True):
    """Points given (positive) or taken (negative) by hand; ``reason`` is shown to the member."""

    customer_id: UUID
    points: int
    reason: str


class Adjusted(Response, frozen=True, kw_only=True):
    entry_id: UUID
    balance: Balance


ADJUST: Final = Operation(
    "points.v1.AdjustPoints",
    Adjust,
    Adjusted,
    permission="points:adjust",
    summary="Give or take points by hand.",
    http=post("/v1/api/points/adjust"),
    errors=(NotFound, InsufficientPoints, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class PointsMoved(Body, frozen=True, kw_only=True):
    """An entry was posted; ``spendable`` and ``pending`` are the wallet right after it.

    ``version`` counts the entries of the wallet, so that a reader can tell the newer of two.
    """

    entry_id: UUID
    customer_id: UUID
    shopify_customer_id: str = ""
    points: int
    kind: str
    source: str
    source_ref: str
    spendable: int
    pending: int
    version: int
    occurred_at: Instant


EARNED: Final = Event("points.earned", PointsMoved, _POINTS, "A member earned points.")
ADJUSTED: Final = Event("points.adjusted", PointsMoved, _POINTS, "Points were corrected by hand.")
REFUNDED: Final = Event(
    "points.refunded", PointsMoved, _POINTS, "Points were taken back for a refund or cancellation."
)

CONTRACTS: Final = Contracts(
    operations=(GET_BALANCE, GET_BALANCES, GET_HISTORY, ADJUST),
    events=(EARNED, ADJUSTED, REFUNDED),
)
