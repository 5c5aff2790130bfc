"""RFM scores from fixed thresholds, and the moment at which time alone will change them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from domain.rfm.profile import Profile
from domain.rfm.thresholds import Thresholds

_DAY = timedelta(days=1)


class Score(NamedTuple):
    """Recency, frequency and monetary score, each 1 (worst) to 5 (best)."""

    r: int
    f: int
    m: int


def score(profile: Profile, thresholds: Thresholds, at: datetime) -> Score | None:
    """The member's score at an (aware) moment; None for somebody who never bought.

    Recency counts whole days of 24 hours since the last order, so an order of exactly 7 days ago
    still scores 5 and the full eighth day ends it. An order dated in the future is one of today.
    """
    if profile.last_order_at is None:
        return None
    return Score(
        _recency(thresholds, (at - profile.last_order_at) // _DAY),
        _at_least(thresholds.frequency, profile.orders),
        _at_least(thresholds.monetary, profile.spent),
    )


def decays_at(profile: Profile, thresholds: Thresholds, after: datetime) -> datetime | None:
    """The first moment later than ``after`` at which the score changes if nothing happens.

    None for somebody who never bought or whose recency can fall no further.
    """
    if profile.last_order_at is None:
        return None
    for days in thresholds.recency:
        moment = profile.last_order_at + (days + 1) * _DAY
        if moment > after:
            return moment
    return None


def _recency(thresholds: Thresholds, days: int) -> int:
    for points, limit in zip((5, 4, 3, 2), thresholds.recency, strict=True):
        if days <= limit:
            return points
    return 1


def _at_least(steps: Sequence[Decimal | int], value: Decimal | int) -> int:
    for points, step in zip((5, 4, 3, 2), steps, strict=True):
        if value >= step:
            return points
    return 1
