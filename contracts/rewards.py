"""Rewards: what points buy, members' redemptions of them, and what becomes of those."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Http,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
    put,
)
from contracts.points import Balance, MemberRef
from domain.errors import (
    DuplicateRequest,
    InvalidRequest,
    LimitReached,
    NotFound,
    Unavailable,
)
from domain.points.redemption import NotCancellable, RedemptionState
from domain.points.rewards import RewardConflict, RewardKind, RewardUnavailable
from domain.points.wallet import InsufficientPoints

_POINTS: Final = "points"


class CreateReward(Request, frozen=True, kw_only=True):
    """``cost`` is in points. Of an incremental reward each ``step_points`` buy ``amount``, from
    ``min_points`` to ``max_points``. ``amount`` and ``minimum_subtotal`` are in shop currency,
    ``product_id`` is Shopify's. A code is good for ``code_days`` days, null is for ever. ``stock``
    is how often the reward can be had at all, ``per_member`` by one member, ``per_window`` by one
    within ``window_days``; null is no limit. No ``tiers`` means everybody. The points of a code
    that runs out come back if ``returns_on_expiry``; members may give back an unused one if
    ``member_may_cancel``."""

    name: str
    kind: RewardKind
    cost: int = 0
    amount: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)
    product_id: str = ""
    step_points: int = 0
    min_points: int = 0
    max_points: int = 0
    minimum_subtotal: Decimal = Decimal(0)
    code_prefix: str = "LOY-"
    code_days: int | None = 90
    stock: int | None = None
    per_member: int | None = None
    per_window: int | None = None
    window_days: int | None = None
    tiers: tuple[str, ...] = ()
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    enabled: bool = True
    returns_on_expiry: bool = False
    member_may_cancel: bool = False


class Reward(Response, frozen=True, kw_only=True):
    """A reward; ``taken`` is how much of its ``stock`` is gone. The rest is as when creating it."""

    reward_id: UUID
    version: int
    archived: bool
    taken: int
    created_at: Instant
    updated_at: Instant
    name: str
    kind: RewardKind
    cost: int
    amount: Decimal
    percent: Decimal
    product_id: str
    step_points: int
    min_points: int
    max_points: int
    minimum_subtotal: Decimal
    code_prefix: str
    code_days: int | None
    stock: int | None
    per_member: int | None
    per_window: int | None
    window_days: int | None
    tiers: tuple[str, ...]
    starts_at: Instant | None
    ends_at: Instant | None
    enabled: bool
    returns_on_expiry: bool
    member_may_cancel: bool


CREATE_REWARD: Final = Operation(
    "points.v1.CreateReward",
    CreateReward,
    Reward,
    permission="rewards:write",
    summary="A new reward; every problem in it is reported.",
    http=post("/v1/api/rewards", status=201),
    errors=(InvalidRequest, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class UpdateReward(CreateReward, frozen=True, kw_only=True):
    """All that the reward is from now on; ``version`` is the one that was read."""

    reward_id: UUID
    version: int


UPDATE_REWARD: Final = Operation(
    "points.v1.UpdateReward",
    UpdateReward,
    Reward,
    permission="rewards:write",
    summary="Change a reward; what members have of it already stays as it was.",
    http=put("/v1/api/rewards/{reward_id}"),
    errors=(NotFound, InvalidRequest, RewardConflict, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class ArchiveReward(Request, frozen=True, kw_only=True):
    reward_id: UUID


ARCHIVE_REWARD: Final = Operation(
    "points.v1.ArchiveReward",
    ArchiveReward,
    Reward,
    permission="rewards:write",
    summary="Offer a reward no more, for good; what members have of it stays.",
    http=Http("DELETE", "/v1/api/rewards/{reward_id}"),
    errors=(NotFound, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class GetReward(Request, frozen=True, kw_only=True):
    reward_id: UUID


GET_REWARD: Final = Operation(
    "points.v1.GetReward",
    GetReward,
    Reward,
    permission="rewards:read",
    summary="One reward; members see what is offered only.",
    http=get("/v1/api/rewards/{reward_id}"),
    errors=(NotFound,),
)


class ListRewards(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    cursor: str | None = None
    limit: int = 50


class Rewards(Page, frozen=True, kw_only=True):
    rewards: tuple[Reward, ...]


LIST_REWARDS: Final = Operation(
    "points.v1.ListRewards",
    ListRewards,
    Rewards,
    permission="rewards:read",
    summary="The rewards of the shop, newest first; members see what is offered only.",
    http=get("/v1/api/rewards"),
    errors=(InvalidRequest,),
)


class ListOffers(MemberRef, frozen=True, kw_only=True):
    """``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    cursor: str | None = None
    limit: int = 50


class Offer(Response, frozen=True, kw_only=True):
    """A reward for a member, who can have it now if it is ``affordable``; otherwise ``why_not`` is
    ``points``, ``limit``, ``tier``, ``sold_out``, ``not_started``, or ``ended``, of
    several the first that is not about points. ``cost`` is the least that it costs."""

    reward_id: UUID
    name: str
    kind: RewardKind
    cost: int
    affordable: bool
    why_not: str = ""


class Offers(Page, frozen=True, kw_only=True):
    offers: tuple[Offer, ...]


LIST_OFFERS: Final = Operation(
    "points.v1.ListOffers",
    ListOffers,
    Offers,
    permission="rewards:read",
    summary="What a member can have for points, and why not the rest.",
    http=get("/api/customer/rewards"),
    errors=(NotFound, InvalidRequest),
)


GET_OWN_POINTS: Final = Operation(
    "points.v1.GetOwnPoints",
    MemberRef,
    Balance,
    permission="points:read",
    summary="The points of the member whose token it is; staff says of whom.",
    http=get("/api/customer/points"),
    errors=(NotFound,),
)


class RedeemPoints(MemberRef, frozen=True, kw_only=True):
    """``points`` is for incremental rewards, of which members choose how much they want."""

    reward_id: UUID
    points: int | None = None


class Redemption(Response, frozen=True, kw_only=True):
    """What a member has bought. ``code`` is there once it is issued, for the member and for staff
    that may redeem. ``ends_at`` is when it runs out, null never. ``order_id`` is the order that
    carries the code; ``reason`` says why Shopify refused."""

    redemption_id: UUID
    customer_id: UUID
    reward_id: UUID
    reward_version: int
    title: str
    benefit: str
    points: int
    state: RedemptionState
    created_at: Instant
    ends_at: Instant | None = None
    code: str = ""
    order_id: str = ""
    reason: str = ""


_REDEEMING: Final = (
    NotFound,
    InvalidRequest,
    InsufficientPoints,
    RewardUnavailable,
    LimitReached,
    DuplicateRequest,
    Unavailable,
)
_SECONDS: Final = 8.0
"""Enough for Shopify to answer; what takes longer is answered as ``issuing``."""

REDEEM_POINTS: Final = Operation(
    "points.v1.RedeemPoints",
    RedeemPoints,
    Redemption,
    permission="rewards:redeem",
    summary="Spend a member's points on a reward.",
    http=post("/v1/api/points/redeem"),
    errors=_REDEEMING,
    idempotency=Idempotency.KEY,
    deadline=_SECONDS,
)
REDEEM_OWN_POINTS: Final = Operation(
    "points.v1.RedeemOwnPoints",
    RedeemPoints,
    Redemption,
    permission="rewards:redeem",
    summary="The same at the address that storefronts know, for the member whose token it is.",
    http=post("/api/redeem"),
    errors=_REDEEMING,
    idempotency=Idempotency.KEY,
    deadline=_SECONDS,
)


class RedemptionRef(Request, frozen=True, kw_only=True):
    redemption_id: UUID


GET_REDEMPTION: Final = Operation(
    "points.v1.GetRedemption",
    RedemptionRef,
    Redemption,
    permission="rewards:read",
    summary="What became of a redemption.",
    http=get("/v1/api/redemptions/{redemption_id}"),
    errors=(NotFound, Unavailable),
)


class ListRedemptions(MemberRef, frozen=True, kw_only=True):
    """Newest first, of one member or (for staff) of all; ``state`` narrows. ``limit`` is 1 to 250;
    ``cursor`` comes from the page before."""

    state: str = ""
    cursor: str | None = None
    limit: int = 50


class Redemptions(Page, frozen=True, kw_only=True):
    redemptions: tuple[Redemption, ...]


LIST_REDEMPTIONS: Final = Operation(
    "points.v1.ListRedemptions",
    ListRedemptions,
    Redemptions,
    permission="rewards:read",
    summary="What members have bought with points.",
    http=get("/v1/api/redemptions"),
    errors=(NotFound, InvalidRequest, Unavailable),
)

CANCEL_REDEMPTION: Final = Operation(
    "points.v1.CancelRedemption",
    RedemptionRef,
    Redemption,
    permission="rewards:redeem",
    summary="Take back what was not used, and give the points back; members if the reward lets "
    "them.",
    http=post("/v1/api/redemptions/{redemption_id}/cancel"),
    errors=(NotFound, NotCancellable, DuplicateRequest, Unavailable),
    idempotency=Idempotency.KEY,
    deadline=_SECONDS,
)
ASK_AGAIN: Final = Operation(
    "points.v1.RetryRedemption",
    RedemptionRef,
    Redemption,
    permission="rewards:write",
    summary="Ask Shopify once more what became of a redemption that is in doubt.",
    http=post("/v1/api/redemptions/{redemption_id}/retry"),
    errors=(NotFound, DuplicateRequest, Unavailable),
    idempotency=Idempotency.KEY,
    deadline=_SECONDS,
)


class RewardChanged(Body, frozen=True, kw_only=True):
    """A reward was made, changed or archived."""

    reward_id: UUID
    version: int
    name: str
    kind: str
    enabled: bool
    archived: bool
    occurred_at: Instant


class RedemptionChanged(Body, frozen=True, kw_only=True):
    """What a redemption has become. Its code travels nowhere."""

    redemption_id: UUID
    customer_id: UUID
    reward_id: UUID
    title: str
    benefit: str
    points: int
    state: str
    ends_at: Instant | None = None
    order_id: str = ""
    occurred_at: Instant


def _event(state: str, summary: str) -> Event[RedemptionChanged]:
    return Event(f"redemption.{state}", RedemptionChanged, _POINTS, summary)


REWARD_UPDATED: Final = Event("reward.updated", RewardChanged, _POINTS, "A reward was changed.")
COMPLETED: Final = _event("completed", "A member has what they have bought with points.")
RELEASED: Final = _event("released", "Shopify refused to issue it; the points are back.")
IN_DOUBT: Final = _event("in_doubt", "Nobody knows whether Shopify has issued it; staff has to.")
CANCELLED: Final = _event("cancelled", "It was taken back; the points are back.")
EXPIRED: Final = _event("expired", "Its time ran out unused.")
USED: Final = _event("used", "An order carries the code.")
RETURNED: Final = _event("returned", "The order that used it went back; so did the points.")

CONTRACTS: Final = Contracts(
    operations=(
        CREATE_REWARD,
        UPDATE_REWARD,
        ARCHIVE_REWARD,
        GET_REWARD,
        LIST_REWARDS,
        LIST_OFFERS,
        GET_OWN_POINTS,
        REDEEM_POINTS,
        REDEEM_OWN_POINTS,
        GET_REDEMPTION,
        LIST_REDEMPTIONS,
        CANCEL_REDEMPTION,
        ASK_AGAIN,
    ),
    events=(
        REWARD_UPDATED,
        COMPLETED,
        RELEASED,
        IN_DOUBT,
        CANCELLED,
        EXPIRED,
        USED,
        RETURNED,
    ),
)
