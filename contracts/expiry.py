"""Points that expire: which lots a member has, and what is said when some are about to, or have."""

from typing import Final
from uuid import UUID

from contracts.kit import Body, Contracts, Event, Instant, Operation, Page, Response, get
from contracts.points import MemberRef
from domain.errors import InvalidRequest, NotFound

_POINTS: Final = "points"


class LotsOf(MemberRef, frozen=True, kw_only=True):
    """``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    cursor: str | None = None
    limit: int = 50


class OpenLot(Response, frozen=True, kw_only=True):
    """What is left of points that became spendable together. ``lot_id`` is the id of the entry
    that opened it, ``order_id`` the order they were earned by, empty for none. ``expires_at``, if
    the member does nothing until then; None for never."""

    lot_id: UUID
    points: int
    remaining: int
    opened_at: Instant
    expires_at: Instant | None = None
    order_id: str = ""


class OpenLots(Page, frozen=True, kw_only=True):
    lots: tuple[OpenLot, ...]


LIST_LOTS: Final = Operation(
    "points.v1.ListLots",
    LotsOf,
    OpenLots,
    permission="points:read",
    summary="The lots a member's spendable points are in, the first to be spent first.",
    http=get("/v1/api/points/lots"),
    errors=(NotFound, InvalidRequest),
)


class PointsExpired(Body, frozen=True, kw_only=True):
    """``points`` (counted up, not negative) of so many lots expired at once; ``spendable`` and
    ``pending`` are the wallet after it, ``version`` as in ``points.earned``."""

    customer_id: UUID
    points: int
    lots: int
    spendable: int
    pending: int
    version: int
    occurred_at: Instant


class ExpiringSoon(Body, frozen=True, kw_only=True):
    """Points that expire at one time, unless they are spent before. ``last_chance``: nothing will
    be said of them again until they have."""

    expires_at: Instant
    points: int
    last_chance: bool = False


class PointsExpiring(Body, frozen=True, kw_only=True):
    """What a member is to be warned of now, the earliest first; each is said once."""

    customer_id: UUID
    soon: tuple[ExpiringSoon, ...]
    occurred_at: Instant


EXPIRED: Final = Event("points.expired", PointsExpired, _POINTS, "Points of a member expired.")
EXPIRING: Final = Event(
    "points.expiring", PointsExpiring, _POINTS, "Points of a member will expire soon."
)

CONTRACTS: Final = Contracts(operations=(LIST_LOTS,), events=(EXPIRED, EXPIRING))
