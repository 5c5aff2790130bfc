"""The moves of a referral. Each takes the one state it is possible in, so that an illegal move
does not type-check; what the type cannot say is answered with a rejection."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypedDict, TypeVar
from uuid import UUID

from domain.errors import LoyaltyError
from domain.program import ReferralSettings
from domain.referrals import events
from domain.referrals.errors import (
    BelowMinimumSpend,
    DuplicateReferral,
    NotFirstOrder,
    ReferralExpired,
    SelfReferral,
)
from domain.referrals.states import (
    Blocked,
    Cancelled,
    Claimed,
    Clicked,
    Completed,
    Created,
    Expired,
    Open,
    Pending,
    Referral,
)

S_co = TypeVar("S_co", covariant=True)
E_co = TypeVar("E_co", covariant=True, bound=events.Event)


@dataclass(frozen=True, slots=True)
class Moved(Generic[S_co, E_co]):
    """The new state, and what to tell the program."""

    referral: S_co
    event: E_co


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing changed. ``error`` may be raised to a caller, or read by a consumer that goes on."""

    error: LoyaltyError

    @property
    def code(self) -> str:
        return self.error.code


def create(
    referral_id: UUID, advocate_id: UUID, code: str, settings: ReferralSettings, at: datetime
) -> Moved[Created, events.ReferralCreated]:
    """A new referral under a code from ``codes.code_from``; it lives ``expiry_days``."""
    created = Created(
        id=referral_id,
        advocate_id=advocate_id,
        code=code,
        created_at=at,
        expires_at=at + timedelta(days=settings.expiry_days),
    )
    return Moved(created, events.ReferralCreated(referral_id, advocate_id, code, at))


def click(referral: Created, at: datetime) -> Moved[Clicked, events.ReferralClicked] | Rejected:
    """Somebody followed the link. Rejected: REFERRAL_EXPIRED."""
    if at >= referral.expires_at:
        return Rejected(ReferralExpired())
    clicked = Clicked(**_common(referral), clicked_at=at)
    return Moved(clicked, events.ReferralClicked(referral.id, at))


def claimable(referral: Referral) -> Open | Rejected:
    """The referral if a friend may still claim it, by its state. Rejected: REFERRAL_EXPIRED,
    DUPLICATE_REFERRAL."""
    match referral:
        case Created() | Clicked():
            return referral
        case Expired():
            return Rejected(ReferralExpired())
        case _:
            return Rejected(DuplicateReferral())


def claim(
    referral: Open, friend_id: UUID, at: datetime, *, already_referred: bool = False
) -> Moved[Claimed, events.ReferralClaimed] | Rejected:
    """A friend takes the referral. ``already_referred``: they took another one before.

    Rejected: SELF_REFERRAL, DUPLICATE_REFERRAL, REFERRAL_EXPIRED.
    """
    if friend_id == referral.advocate_id:
        return Rejected(SelfReferral())
    if already_referred:
        return Rejected(DuplicateReferral())
    if at >= referral.expires_at:
        return Rejected(ReferralExpired())
    claimed = Claimed(**_common(referral), friend_id=friend_id, claimed_at=at)
    return Moved(claimed, events.ReferralClaimed(referral.id, referral.advocate_id, friend_id, at))


def qualify(
    referral: Claimed,
    settings: ReferralSettings,
    *,
    order_id: str,
    spend: Decimal,
    first_order: bool,
    at: datetime,
) -> Moved[Pending, events.ReferralQualified] | Rejected:
    """The friend placed an order of ``spend`` (shop currency) at ``at``, its own time.

    Rejected: REFERRAL_EXPIRED, NOT_FIRST_ORDER (when only new customers count),
    BELOW_MINIMUM_SPEND.
    """
    if at >= referral.expires_at:
        return Rejected(ReferralExpired())
    if settings.new_customers_only and not first_order:
        return Rejected(NotFirstOrder())
    if spend < settings.minimum_spend:
        return Rejected(BelowMinimumSpend())
    pending = Pending(
        **_common(referral),
        friend_id=referral.friend_id,
        claimed_at=referral.claimed_at,
        order_id=order_id,
        ordered_at=at,
    )
    return Moved(pending, events.ReferralQualified(referral.id, referral.friend_id, order_id, at))


def complete(
    referral: Pending, settings: ReferralSettings, at: datetime
) -> Moved[Completed, events.ReferralCompleted]:
    """The qualifying order is final: both rewards are due."""
    completed = Completed(
        **_common(referral),
        friend_id=referral.friend_id,
        claimed_at=referral.claimed_at,
        order_id=referral.order_id,
        ordered_at=referral.ordered_at,
        completed_at=at,
    )
    return Moved(
        completed,
        events.ReferralCompleted(
            referral_id=referral.id,
            advocate_id=referral.advocate_id,
            friend_id=referral.friend_id,
            order_id=referral.order_id,
            advocate_points=settings.advocate_points,
            friend_points=settings.friend_points,
            at=at,
        ),
    )


def cancel(
    referral: Pending | Completed, at: datetime
) -> Moved[Cancelled, events.ReferralCancelled]:
    """The qualifying order was cancelled or fully returned; rewards already given are reversed."""
    cancelled = Cancelled(
        **_common(referral),
        friend_id=referral.friend_id,
        order_id=referral.order_id,
        cancelled_at=at,
    )
    rewarded = isinstance(referral, Completed)
    return Moved(cancelled, events.ReferralCancelled(referral.id, referral.order_id, rewarded, at))


def expire(referral: Open | Claimed, at: datetime) -> Moved[Expired, events.ReferralExpiry] | None:
    """The referral at the end of its time; None while there is some left."""
    if at < referral.expires_at:
        return None
    expired = Expired(**_common(referral), expired_at=at)
    return Moved(expired, events.ReferralExpiry(referral.id, at))


def block(referral: Claimed, reason: str, at: datetime) -> Moved[Blocked, events.ReferralBlocked]:
    """Hold a claimed referral back; ``reason`` is the slug of the fraud signal."""
    blocked = Blocked(
        **_common(referral),
        friend_id=referral.friend_id,
        claimed_at=referral.claimed_at,
        blocked_at=at,
        reason=reason,
    )
    return Moved(blocked, events.ReferralBlocked(referral.id, reason, at))


def unblock(referral: Blocked, at: datetime) -> Moved[Claimed, events.ReferralReleased]:
    """A person reviewed the referral and found it fine: it is claimed again."""
    claimed = Claimed(
        **_common(referral), friend_id=referral.friend_id, claimed_at=referral.claimed_at
    )
    return Moved(claimed, events.ReferralReleased(referral.id, at))


class _Common(TypedDict):
    id: UUID
    advocate_id: UUID
    code: str
    created_at: datetime
    expires_at: datetime


def _common(referral: Referral) -> _Common:
    """What stays the same through every move."""
    return {
        "id": referral.id,
        "advocate_id": referral.advocate_id,
        "code": referral.code,
        "created_at": referral.created_at,
        "expires_at": referral.expires_at,
    }
