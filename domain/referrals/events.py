"""What happened to a referral, for the rest of the program to hear."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ReferralCreated:
    referral_id: UUID
    advocate_id: UUID
    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralClicked:
    referral_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralClaimed:
    referral_id: UUID
    advocate_id: UUID
    friend_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralQualified:
    """The friend's order came and fits; the rewards wait until it is final."""

    referral_id: UUID
    friend_id: UUID
    order_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralCompleted:
    """Both rewards are due, in points."""

    referral_id: UUID
    advocate_id: UUID
    friend_id: UUID
    order_id: str
    advocate_points: int
    friend_points: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralExpiry:
    referral_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralCancelled:
    """``reverse_rewards`` when both sides had been rewarded already."""

    referral_id: UUID
    order_id: str
    reverse_rewards: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralBlocked:
    referral_id: UUID
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReferralReleased:
    referral_id: UUID
    at: datetime


Event = (
    ReferralCreated
    | ReferralClicked
    | ReferralClaimed
    | ReferralQualified
    | ReferralCompleted
    | ReferralExpiry
    | ReferralCancelled
    | ReferralBlocked
    | ReferralReleased
)
