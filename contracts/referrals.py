"""Referrals: a member brings a friend, and both are rewarded once the friend has bought."""

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
from domain.errors import InvalidRequest, NotFound
from domain.referrals import (
    DuplicateReferral,
    InvalidReferralCode,
    NotFirstOrder,
    ReferralExpired,
    SelfReferral,
)

_REFERRALS: Final = "referrals"


class CreateLink(Request, frozen=True, kw_only=True):
    """The advocate is a member; a customer's token names its own."""

    customer_id: UUID | None = None


class Link(Response, frozen=True, kw_only=True):
    """``expires_at`` moves on whenever the link is asked for."""

    code: str
    url: str
    customer_id: UUID
    created_at: Instant
    expires_at: Instant


CREATE_LINK: Final = Operation(
    "referrals.v1.CreateLink",
    CreateLink,
    Link,
    permission="referrals:write",
    summary="The advocate's link; asked again, the same one.",
    http=post("/v1/api/referrals/create"),
    errors=(InvalidRequest, NotFound),
    idempotency=Idempotency.NATURAL,
)


class Claim(Request, frozen=True, kw_only=True):
    """A friend takes up a code, named by their e-mail (never stored in the clear) or Shopify id.
    A customer's token names itself. The same friend with the same code again gets the same answer
    until the referral is completed."""

    code: str
    email: str = ""
    shopify_customer_id: str = ""


class ReferralStatus(Response, frozen=True, kw_only=True):
    """``state`` is created, clicked, claimed, pending, completed, expired, cancelled or blocked;
    ``friend_id`` is None for a friend who is known by e-mail only."""

    referral_id: UUID
    code: str
    state: str
    advocate_id: UUID
    friend_id: UUID | None = None
    claimed_at: Instant | None = None
    completed_at: Instant | None = None
    expires_at: Instant | None = None


CLAIM: Final = Operation(
    "referrals.v1.Claim",
    Claim,
    ReferralStatus,
    permission="referrals:claim",
    summary="A friend takes up a referral.",
    http=post("/v1/api/referrals/claim"),
    errors=(
        InvalidRequest,
        NotFound,
        InvalidReferralCode,
        DuplicateReferral,
        SelfReferral,
        ReferralExpired,
        NotFirstOrder,
    ),
    idempotency=Idempotency.NATURAL,
)


class GetReferralStatus(Request, frozen=True, kw_only=True):
    referral_id: UUID


GET_REFERRAL_STATUS: Final = Operation(
    "referrals.v1.GetReferralStatus",
    GetReferralStatus,
    ReferralStatus,
    permission="referrals:read",
    summary="Where a referral stands.",
    http=get("/v1/api/referrals/status"),
    errors=(NotFound,),
)


class GetProgress(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250 referrals."""

    customer_id: UUID | None = None
    cursor: str | None = None
    limit: int = 50


class Progress(Page, frozen=True, kw_only=True):
    """An advocate's referrals: how many in all, and a page of them, the newest first."""

    customer_id: UUID
    code: str
    claimed: int
    completed: int
    referrals: tuple[ReferralStatus, ...]


GET_PROGRESS: Final = Operation(
    "referrals.v1.GetProgress",
    GetProgress,
    Progress,
    permission="referrals:read",
    summary="How an advocate's referrals go.",
    http=get("/v1/api/referrals/progress"),
    errors=(InvalidRequest, NotFound),
)


class ReferralChanged(Body, frozen=True, kw_only=True):
    """What became of a referral; ``friend_id`` is None for a friend known by e-mail only, and
    ``reason`` a slug. Points and amount (in the shop's currency) are those of a completed one."""

    referral_id: UUID
    advocate_id: UUID
    friend_id: UUID | None = None
    state: str
    reason: str = ""
    order_id: str = ""
    advocate_points: int = 0
    friend_points: int = 0
    order_amount: Decimal = Decimal(0)
    occurred_at: Instant


REFERRAL_CREATED: Final = Event(
    "referral.created", ReferralChanged, _REFERRALS, "A friend took up a code."
)
REFERRAL_COMPLETED: Final = Event(
    "referral.completed", ReferralChanged, _REFERRALS, "The friend's first order came in."
)
REFERRAL_BLOCKED: Final = Event(
    "referral.blocked", ReferralChanged, _REFERRALS, "A referral does not qualify."
)

CONTRACTS: Final = Contracts(
    operations=(CREATE_LINK, CLAIM, GET_REFERRAL_STATUS, GET_PROGRESS),
    events=(REFERRAL_CREATED, REFERRAL_COMPLETED, REFERRAL_BLOCKED),
)
