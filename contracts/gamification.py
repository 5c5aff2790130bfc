"""Gamification: badges and leaderboards."""

from typing import Final
from uuid import UUID

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Request,
    Response,
    get,
)
from domain.errors import InvalidRequest

_GAMIFICATION: Final = "gamification"


class ListBadges(Request, frozen=True, kw_only=True):
    """A member; a customer's token names itself."""

    customer_id: UUID | None = None


class Badge(Response, frozen=True, kw_only=True):
    badge: str
    awarded_at: Instant


class Badges(Response, frozen=True, kw_only=True):
    badges: tuple[Badge, ...]


LIST_BADGES: Final = Operation(
    "gamification.v1.ListBadges",
    ListBadges,
    Badges,
    permission="gamification:read",
    summary="A member's badges.",
    http=get("/api/gamification/badges"),
    errors=(InvalidRequest,),
)


class AwardBadge(Request, frozen=True, kw_only=True):
    customer_id: UUID
    badge: str


AWARD_BADGE: Final = Operation(
    "gamification.v1.AwardBadge",
    AwardBadge,
    Badge,
    permission="customers:write",
    summary="Give a badge by hand; given again, the first award stands.",
    errors=(InvalidRequest,),
    idempotency=Idempotency.NATURAL,
)


class GetLeaderboard(Request, frozen=True, kw_only=True):
    """``period`` is "day", "week", "month" or "all", the current one by the shop's calendar;
    ``limit`` is 1 to 100."""

    period: str = "month"
    limit: int = 10


class Rank(Response, frozen=True, kw_only=True):
    """``rank`` starts at 1; members with equal points share it. To a member, everybody else is
    ``SOMEBODY``: their ids are nobody's business."""

    rank: int
    customer_id: UUID
    points: int


SOMEBODY: Final = UUID(int=0)


class Leaderboard(Response, frozen=True, kw_only=True):
    period: str
    key: str
    ranks: tuple[Rank, ...]


GET_LEADERBOARD: Final = Operation(
    "gamification.v1.GetLeaderboard",
    GetLeaderboard,
    Leaderboard,
    permission="gamification:read",
    summary="Who earned most points in a period.",
    http=get("/api/gamification/leaderboard"),
    errors=(InvalidRequest,),
)


class BadgeAwarded(Body, frozen=True, kw_only=True):
    customer_id: UUID
    badge: str
    reason: str
    occurred_at: Instant


BADGE_AWARDED: Final = Event(
    "badge.awarded", BadgeAwarded, _GAMIFICATION, "A member was given a badge."
)

CONTRACTS: Final = Contracts(
    operations=(LIST_BADGES, AWARD_BADGE, GET_LEADERBOARD), events=(BADGE_AWARDED,)
)
