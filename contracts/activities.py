"""Points for what members do besides buying: reviews, follows, whatever a shop rewards."""

from typing import Final
from uuid import UUID

from contracts.kit import Contracts, Idempotency, Instant, Operation, Response, post
from contracts.points import MemberRef
from domain.errors import DuplicateRequest, InvalidRequest, LimitReached, NotFound
from domain.points.activities import (
    ActivityDisabled,
    ActivityNotForTier,
    NotSelfService,
    ReferenceUsed,
    UnknownActivity,
)


class EarnPoints(MemberRef, frozen=True, kw_only=True):
    """A member did something: ``activity`` is one of the program's, ``reference`` (1 to 200
    characters) names what was done, such as a review's id, and counts once in the shop."""

    activity: str
    reference: str


class ActivityEarned(Response, frozen=True, kw_only=True):
    """``points`` that were given, fewer than the activity's where a limit left no more.
    ``repeated``: this reference had counted before, and gave that."""

    entry_id: UUID
    activity: str
    points: int
    occurred_at: Instant
    repeated: bool = False


EARN: Final = Operation(
    "points.v1.EarnPoints",
    EarnPoints,
    ActivityEarned,
    permission="points:earn",
    summary="Give a member the points of an activity; each reference counts once.",
    http=post("/v1/api/points/earn"),
    errors=(
        InvalidRequest,
        NotFound,
        UnknownActivity,
        ActivityDisabled,
        NotSelfService,
        ActivityNotForTier,
        ReferenceUsed,
        LimitReached,
        DuplicateRequest,
    ),
    idempotency=Idempotency.KEY,
)

CONTRACTS: Final = Contracts(operations=(EARN,))
