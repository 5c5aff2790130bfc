"""Simulations: what another program would have given for the orders that there were."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.installs import AccessLost, MissingScopes, ShopifyUnavailable
from contracts.kit import Contracts, Instant, Operation, Request, Response, post
from contracts.limits import SIMULATIONS
from domain.errors import InvalidRequest, Kind, LoyaltyError
from domain.program import ProgramSettings


class CollectionsTooLarge(LoyaltyError):
    code = "COLLECTIONS_TOO_LARGE"
    kind = Kind.REFUSED
    title = (
        "There is too much in the collections that only the draft names to be asked of Shopify "
        "while somebody waits: save a program that names them in a bonus that is not enabled, "
        "and try again when they are known."
    )


class SimulateProgram(Request, frozen=True, kw_only=True):
    """``settings`` are the program thought of. Looked at are the orders placed from ``placed_from``
    on (left out: a year ago) and before ``placed_before`` (left out: now). A point is taken to be
    worth ``point_value`` (shop currency), and this share of all points to be redeemed one day.
    What is in collections that only ``settings`` name is asked of Shopify meanwhile."""

    settings: ProgramSettings
    placed_from: Instant | None = None
    placed_before: Instant | None = None
    point_value: Decimal = Decimal("0.01")
    expected_redemption: Decimal = Decimal("0.8")


class ProgramOutcome(Response, frozen=True, kw_only=True):
    """``points_kept`` are those issued less those taken back for returned goods. ``liability`` is
    what they will cost (shop currency), ``share_of_sales`` that in percent of the sales."""

    earning_orders: int
    points_issued: int
    points_taken_back: int
    points_kept: int
    liability: Decimal
    share_of_sales: Decimal


class MemberOutcome(Response, frozen=True, kw_only=True):
    """What a member would have been given for their orders, by each program."""

    customer_id: UUID
    in_force: int
    draft: int


class ProgramSimulated(Response, frozen=True, kw_only=True):
    """Both programs over the same orders, by the tiers and segments members are in today; what was
    spent, has expired or was given for anything but orders is not in it. ``sales`` is what was paid
    for goods and not given back. ``passed_over`` orders are in another currency than the shop's.
    ``winners`` would have got more by the draft; ``most_gained`` and ``most_lost`` are ten of the
    members at either end."""

    orders: int
    passed_over: int
    members: int
    currency: str
    sales: Decimal
    in_force: ProgramOutcome
    draft: ProgramOutcome
    winners: int
    losers: int
    unchanged: int
    most_gained: tuple[MemberOutcome, ...]
    most_lost: tuple[MemberOutcome, ...]


SIMULATE_PROGRAM: Final = Operation(
    "points.v1.SimulateProgram",
    SimulateProgram,
    ProgramSimulated,
    permission="settings:read",
    summary="What a program would have given for the shop's past orders, next to the one in force; "
    "changes nothing. Up to 100,000 orders at once.",
    http=post("/v1/api/points/simulate"),
    errors=(InvalidRequest, CollectionsTooLarge, ShopifyUnavailable, AccessLost, MissingScopes),
    deadline=30.0,
    rate=SIMULATIONS,
)

CONTRACTS: Final = Contracts(operations=(SIMULATE_PROGRAM,))
