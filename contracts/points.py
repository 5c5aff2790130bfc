"""Points: balances, history, adjustments, and what happens to a member's wallet."""

from decimal import Decimal
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
from domain.points.wallet import InsufficientPoints, InvalidPoints

_POINTS: Final = "points"


class MemberRef(Request, frozen=True, kw_only=True):
    """A member, by our id or by Shopify's; one of the two. A customer's token names itself."""

    customer_id: UUID | None = None
    shopify_customer_id: str | None = None


class BalanceOf(MemberRef, frozen=True, kw_only=True):
    """Now, or as it was at ``at``, when everything of that instant had happened. Stores that share
    a balance are taken together now; what was is of the ledger of this shop alone."""

    at: Instant | None = None


class StoreBalance(Response, frozen=True, kw_only=True):
    """What of a shared balance is in one store, the id of a merchant. Below zero is owed there."""

    store: UUID
    spendable: int
    pending: int
    lifetime: int
    spent: int
    expired: int


class Balance(Response, frozen=True, kw_only=True):
    """A wallet. ``lifetime = spendable + pending + spent + expired``. If the member does nothing,
    ``next_expiry_points`` expire at ``next_expiry_at``; None where none ever will. ``stores`` is
    empty unless several share a balance; then all else is what these have together."""

    customer_id: UUID
    spendable: int
    pending: int
    lifetime: int
    spent: int
    expired: int
    next_expiry_at: Instant | None = None
    next_expiry_points: int = 0
    stores: tuple[StoreBalance, ...] = ()


GET_BALANCE: Final = Operation(
    "points.v1.GetPointsBalance",
    BalanceOf,
    Balance,
    permission="points:read",
    summary="A member's points now, or at any moment of the past.",
    http=get("/v1/api/points/balance"),
    errors=(NotFound, InvalidRequest),
)


class BalancesOf(Request, frozen=True, kw_only=True):
    """What these members have in this shop, also where others share the balance."""

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
    """``limit`` is 1 to 250; ``cursor`` comes from the page before. With ``all_stores`` the entries
    of all stores that share the member's balance, which members may ask for their own."""

    cursor: str | None = None
    limit: int = 50
    all_stores: bool = False


class Entry(Response, frozen=True, kw_only=True):
    """One line of the ledger; ``points`` is negative when points were taken. ``store`` is whose
    ledger it is in, ``other_store`` the other end of a move between stores; ids of merchants."""

    entry_id: UUID
    kind: str
    points: int
    pending: bool
    reason: str
    source: str
    source_ref: str
    created_at: Instant
    store: UUID | None = None
    other_store: UUID | None = None


class History(Page, frozen=True, kw_only=True):
    entries: tuple[Entry, ...]


GET_HISTORY: Final = Operation(
    "points.v1.GetPointsHistory",
    HistoryOf,
    History,
    permission="points:read",
    summary="A member's ledger, newest first.",
    http=get("/v1/api/points/history"),
    errors=(NotFound, InvalidRequest),
)


class Adjust(Request, frozen=True, kw_only=True):
    """Points given (positive) or taken (negative) by hand, in this shop's wallet alone; ``reason``
    is shown to the member."""

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
    errors=(NotFound, InvalidPoints, InsufficientPoints, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class ExplainLine(Request, frozen=True, kw_only=True):
    """Goods in an order: ``amount`` after discounts, in shop currency. ``tags`` and
    ``collections`` (Shopify's ids, as numbers) left out are those of the catalogue."""

    product_id: str = ""
    amount: Decimal
    tags: tuple[str, ...] | None = None
    collections: tuple[str, ...] | None = None


class ExplainPurchase(MemberRef, frozen=True, kw_only=True):
    """An order that is only thought of. Without a member, somebody without tier and segment;
    ``placed_at`` left out is now. ``lines`` are 1 to 250; amounts are in shop currency."""

    lines: tuple[ExplainLine, ...]
    shipping: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    placed_at: Instant | None = None
    paid: bool = True
    fulfilled: bool = True


class LineExplained(Response, frozen=True, kw_only=True):
    """``counted`` of the line is spend that earns, ``factor`` times as much as without a bonus."""

    product_id: str
    counted: Decimal
    excluded: bool
    factor: Decimal


class BonusExplained(Response, frozen=True, kw_only=True):
    """A bonus of the program; ``why_not`` is empty where it holds. A tier's own is ``tier:…``."""

    id: str
    factor: Decimal
    holds: bool
    why_not: str = ""


class LimitExplained(Response, frozen=True, kw_only=True):
    """A limit of the purchase rule: at most so many ``times`` and ``points`` (0: no such bound) in
    ``every`` day, week, month, ``days`` days or lifetime. ``left`` points of it, until
    ``ends_at``; None for ever."""

    every: str
    days: int
    times: int
    points: int
    left: int
    ends_at: Instant | None = None


class PurchaseExplained(Response, frozen=True, kw_only=True):
    """``points`` are what the order would earn, waiting ``pending_days`` days; ``why_not`` says why
    none. ``spend`` is what counts, ``rate`` points per unit of it or ``fixed_points`` instead.
    ``limit`` is what keeps it from earning more."""

    points: int
    why_not: str = ""
    rule: str
    settings_version: int
    spend: Decimal
    minimum_spend: Decimal
    rate: Decimal
    fixed_points: int
    rounding: str
    overlap: str
    pending_days: int
    tier: str = ""
    segment: str = ""
    lines: tuple[LineExplained, ...]
    bonuses: tuple[BonusExplained, ...]
    limit: LimitExplained | None = None


EXPLAIN_PURCHASE: Final = Operation(
    "points.v1.ExplainPurchase",
    ExplainPurchase,
    PurchaseExplained,
    permission="settings:read",
    summary="What an order would earn today: which rules hold, and why the others do not.",
    http=post("/v1/api/points/explain"),
    errors=(InvalidRequest,),
)


class PointsMoved(Body, frozen=True, kw_only=True):
    """An entry was posted; ``spendable`` and ``pending`` are the wallet right after it, in this
    shop alone, also where others share the balance.

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
REDEEMED: Final = Event("points.redeemed", PointsMoved, _POINTS, "A member spent points.")

CONTRACTS: Final = Contracts(
    operations=(GET_BALANCE, GET_BALANCES, GET_HISTORY, ADJUST, EXPLAIN_PURCHASE),
    events=(EARNED, ADJUSTED, REFUNDED, REDEEMED),
)
