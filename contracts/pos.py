"""Tills: the queue of what they sold while nobody could be reached."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.kit import Contracts, Idempotency, Instant, Operation, Request, Response, post
from domain.errors import DuplicateRequest, InvalidRequest


class PosGoods(Request, frozen=True, kw_only=True):
    """Goods in a sale: ``amount`` after discounts, in shop currency, without gift cards."""

    product_id: str = ""
    amount: Decimal


class PosLine(Request, frozen=True, kw_only=True):
    """A line of a till's queue: a ``sale``, or a ``refund`` of one.

    ``line_id`` is the till's own. The sale is named by what the till knows of it: ``order_id`` at
    Shopify, ``receipt`` number, ``checkout_token``; one at least. ``merchandise`` is after
    discounts, without gift cards and tax, of a refund what went back for goods; in shop currency.
    ``goods`` may be left out where the program does not ask which they are. ``refund_id`` is
    Shopify's, where the till knows it. ``happened_at`` is by the till's clock.
    """

    line_id: str
    kind: str
    happened_at: Instant
    order_id: str = ""
    receipt: str = ""
    checkout_token: str = ""
    customer_id: UUID | None = None
    shopify_customer_id: str | None = None
    merchandise: Decimal
    tax: Decimal = Decimal(0)
    goods: tuple[PosGoods, ...] = ()
    refund_id: str = ""


class SyncSales(Request, frozen=True, kw_only=True):
    """The queue of a till, 500 lines at most; ``sent_at`` is what its clock says now."""

    till_id: str
    location: str = ""
    sent_at: Instant
    lines: tuple[PosLine, ...]


class LineTaken(Response, frozen=True, kw_only=True):
    """What became of a line: ``counted``, ``repeated`` (this line was taken before), ``known`` (the
    sale was told before, by Shopify or another till) or ``rejected``, for a ``reason``.
    ``order_id`` is what the ledger knows the sale by."""

    line_id: str
    outcome: str
    reason: str = ""
    order_id: str = ""


class SalesSynced(Response, frozen=True, kw_only=True):
    """One for each line, in the order they came in. All but those rejected can leave the queue."""

    lines: tuple[LineTaken, ...]
    rejected: int


SYNC_SALES: Final = Operation(
    "points.v1.SyncSales",
    SyncSales,
    SalesSynced,
    permission="points:sync",
    summary="Take what a till sold while it was offline; each sale counts once, however often and "
    "by whomever it is told.",
    http=post("/v1/api/points/sync"),
    errors=(InvalidRequest, DuplicateRequest),
    idempotency=Idempotency.KEY,
    deadline=15.0,
)

CONTRACTS: Final = Contracts(operations=(SYNC_SALES,))
