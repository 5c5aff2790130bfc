"""The states of a referral, one frozen type each, and how they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import get_args
from uuid import UUID

from domain.referrals.errors import CorruptReferral


@dataclass(frozen=True, slots=True, kw_only=True)
class _Referral:
    """What every referral has: who recommends, under which code, and until when (aware)."""

    id: UUID
    advocate_id: UUID
    code: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(_Referral):
    """The link exists; nobody has followed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clicked(_Referral):
    """Somebody followed the link."""

    clicked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(_Referral):
    """A friend made it theirs."""

    friend_id: UUID
    claimed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending(_Referral):
    """The friend placed the order that qualifies, which is not yet final."""

    friend_id: UUID
    claimed_at: datetime
    order_id: str
    ordered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(_Referral):
    """The order stands; both sides have their reward."""

    friend_id: UUID
    claimed_at: datetime
    order_id: str
    ordered_at: datetime
    completed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(_Referral):
    """Its time ran out before a friend's order."""

    expired_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(_Referral):
    """The qualifying order was cancelled or fully returned."""

    friend_id: UUID
    order_id: str
    cancelled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked(_Referral):
    """Held back for a suspicion; ``reason`` is the slug of the signal. A review may release it to
    what it was."""

    friend_id: UUID
    claimed_at: datetime
    blocked_at: datetime
    reason: str


Referral = Created | Clicked | Claimed | Pending | Completed | Expired | Cancelled | Blocked
Open = Created | Clicked
"""Nobody has claimed it yet."""

_BY_NAME: dict[str, type[Referral]] = {
    state.__name__.lower(): state for state in get_args(Referral)
}


def state_name(referral: Referral) -> str:
    """The state as it is stored and shown: created, clicked, claimed, ..."""
    return type(referral).__name__.lower()


def to_stored(referral: Referral) -> dict[str, object]:
    """The referral's own fields (ids, times and texts), without the name of its state."""
    return {field.name: getattr(referral, field.name) for field in fields(referral)}


def from_stored(state: str, stored: Mapping[str, object]) -> Referral:
    """The referral from its state's name and fields; fields of other states (a wide table row
    has them all) are passed over. Raises CorruptReferral when one is missing or unknown."""
    kind = _BY_NAME.get(state)
    if kind is None:
        raise CorruptReferral
    own = {field.name: stored.get(field.name) for field in fields(kind)}
    if any(value is None for value in own.values()):
        raise CorruptReferral
    return kind(**own)  # type: ignore[arg-type]  # the store keeps the type of each column
