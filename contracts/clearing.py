"""What stores that share balances owe each other: for the books of an organisation."""

from typing import Final
from uuid import UUID

from contracts.kit import Contracts, Instant, Operation, Page, Request, Response, get
from domain.errors import InvalidRequest


class ClearingOf(Request, frozen=True, kw_only=True):
    """What was moved from ``since`` (left out: the beginning) and before ``until`` (left out: now).
    ``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    since: Instant | None = None
    until: Instant | None = None
    cursor: str | None = None
    limit: int = 50


class ClearingLine(Response, frozen=True, kw_only=True):
    """Between this store and another (``store``, the id of a merchant) in a ``month`` of UTC
    (``2026-05``), so that both are told the same. ``points_in`` came here from there to be spent,
    ``points_out`` went from here to there; ``net`` is what came here in the end. ``moves`` counts
    both."""

    month: str
    store: UUID
    points_in: int
    points_out: int
    net: int
    moves: int


class ClearingPage(Page, frozen=True, kw_only=True):
    """By month and store."""

    lines: tuple[ClearingLine, ...]


GET_CLEARING: Final = Operation(
    "points.v1.GetClearing",
    ClearingOf,
    ClearingPage,
    permission="analytics:read",
    summary="Points moved between this store and others of its organisation, by month and store.",
    http=get("/v1/api/points/clearing"),
    errors=(InvalidRequest,),
    deadline=30.0,
)

CONTRACTS: Final = Contracts(operations=(GET_CLEARING,))
