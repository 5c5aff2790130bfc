"""What outstanding points will cost: for a merchant's books."""

from decimal import Decimal
from typing import Final

from contracts.kit import Contracts, Instant, Operation, Request, Response, get
from domain.errors import InvalidRequest


class LiabilityOf(Request, frozen=True, kw_only=True):
    """Now, or as it was at ``at``. ``point_value`` is what a point buys (shop currency, more than
    0), ``redemption_rate`` the share expected to be redeemed (0 to 1); left out, it is what history
    says."""

    point_value: Decimal
    redemption_rate: Decimal | None = None
    at: Instant | None = None


class TierShare(Response, frozen=True, kw_only=True):
    """Of the members who are in this tier today; empty for none."""

    tier: str
    members: int
    points: int
    liability: Decimal


class ExpiryShare(Response, frozen=True, kw_only=True):
    """Of spendable points that expire in this month (``2026-05``, the shop's calendar); empty for
    those without a date."""

    month: str
    points: int
    liability: Decimal


class LiabilityReport(Response, frozen=True, kw_only=True):
    """``points`` are those that can be spent or wait to be; ``debts``, below zero, reduce nothing.
    ``maximum`` is what all of them would cost, ``liability`` what is expected to be redeemed, and
    ``breakage`` the rest. ``rate_is_estimated`` from the points ever ``spent`` and ``expired``.
    The parts add up to the whole, to the cent; by month there is only what is spendable now."""

    currency: str
    members: int
    points: int
    spendable: int
    pending: int
    debts: int
    spent: int
    expired: int
    point_value: Decimal
    redemption_rate: Decimal
    rate_is_estimated: bool
    maximum: Decimal
    liability: Decimal
    breakage: Decimal
    by_tier: tuple[TierShare, ...]
    by_expiry: tuple[ExpiryShare, ...]


GET_LIABILITY: Final = Operation(
    "points.v1.GetLiability",
    LiabilityOf,
    LiabilityReport,
    permission="analytics:read",
    summary="What the outstanding points are worth, and how much of it will be redeemed.",
    http=get("/v1/api/points/liability"),
    errors=(InvalidRequest,),
    deadline=30.0,
)

CONTRACTS: Final = Contracts(operations=(GET_LIABILITY,))
