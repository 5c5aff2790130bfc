"""Suspending a shop: LoyalNest's staff closes it for a time, and opens it again."""

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
from domain.errors import InvalidRequest, NotFound

_AUTH: Final = "auth"
_FULL: Final = "admin:full"


class ChangeSuspension(Request, frozen=True, kw_only=True):
    """``reason`` has 10 to 500 characters on one line; the shop reads it in its audit log."""

    shop_domain: str
    reason: str


class ShopStanding(Response, frozen=True, kw_only=True):
    """``status`` is "active", "suspended" or "uninstalled"; a suspended shop that removes the app
    is "uninstalled", and suspended again when it comes back. What is said of the suspension is
    empty for a shop that is not suspended; ``suspended_by`` is as the audit log names people."""

    merchant_id: UUID
    shop_domain: str
    status: str
    suspended_at: Instant | None = None
    suspended_by: str = ""
    reason: str = ""


SUSPEND_MERCHANT: Final = Operation(
    "auth.v1.SuspendMerchant",
    ChangeSuspension,
    ShopStanding,
    permission=_FULL,
    summary="Close a shop: its staff and members are refused within a second, and its work waits. "
    "What Shopify says of it is still taken and counted, so that nothing is lost. Of one that is "
    "suspended nothing changes.",
    http=post("/admin/v1/merchants/suspend"),
    errors=(InvalidRequest, NotFound),
    idempotency=Idempotency.NATURAL,
)

RESUME_MERCHANT: Final = Operation(
    "auth.v1.ResumeMerchant",
    ChangeSuspension,
    ShopStanding,
    permission=_FULL,
    summary="Open a suspended shop again. Sessions that were ended stay so: people log in anew.",
    http=post("/admin/v1/merchants/resume"),
    errors=(InvalidRequest, NotFound),
    idempotency=Idempotency.NATURAL,
)


class ListSuspended(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250."""

    limit: int = 50
    cursor: str | None = None


class SuspendedShops(Page, frozen=True, kw_only=True):
    shops: tuple[ShopStanding, ...]


LIST_SUSPENDED: Final = Operation(
    "auth.v1.ListSuspended",
    ListSuspended,
    SuspendedShops,
    permission=_FULL,
    summary="The shops that are suspended, those that have removed the app since included.",
    http=get("/admin/v1/merchants/suspended"),
    errors=(InvalidRequest,),
)


class SuspensionChanged(Body, frozen=True, kw_only=True):
    """``reason`` is why it was suspended, or why it is not any more."""

    shop_domain: str
    suspended: bool
    reason: str


SUSPENSION_CHANGED: Final = Event(
    "merchant.suspension_changed",
    SuspensionChanged,
    _AUTH,
    "LoyalNest's staff suspended a shop, or opened it again.",
)

CONTRACTS: Final = Contracts(
    operations=(SUSPEND_MERCHANT, RESUME_MERCHANT, LIST_SUSPENDED),
    events=(SUSPENSION_CHANGED,),
)
