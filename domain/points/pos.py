"""Sales of tills: what their queues say, by whatever clock, and the same sale told by two."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from domain.errors import Problem
from domain.points.earning_limits import MAX_POINTS
from domain.points.orders import RefundFacts

OLDEST: Final = timedelta(days=90)
"""How long a till may keep a sale to itself."""
TILLS: Final = "pos:"
"""What ids begin with that tills have made; Shopify's are digits."""


@dataclass(frozen=True, slots=True)
class TillRule:
    """What tills are trusted with. A sale that only a till tells of earns ``most_points`` at most:
    no more than staff may give by hand, if nobody says otherwise. Shopify's order of the same sale
    is not bounded by it; with 0 it is the only one to earn."""

    most_points: int = 1_000_000


DEFAULT_TILLS: Final = TillRule()


class Rejection(StrEnum):
    """Why a line of a till's queue was not taken."""

    BAD_LINE = "bad_line"
    TOO_LARGE = "too_large"
    UNNAMED_SALE = "unnamed_sale"
    UNKNOWN_MEMBER = "unknown_member"
    TOO_OLD = "too_old"
    LINE_CHANGED = "line_told_otherwise"
    SALE_CHANGED = "sale_told_otherwise"
    TWO_SALES = "names_of_two_sales"
    ALREADY_REFUNDED = "already_refunded"


def problems_of(rule: TillRule, pointer: str) -> list[Problem]:
    """Everything wrong with the rule."""
    if 0 <= rule.most_points <= MAX_POINTS:
        return []
    return [Problem(f"{pointer}/most_points", f"must be between 0 and {MAX_POINTS}")]


def happened(said: datetime, sent_at: datetime, now: datetime) -> datetime | None:
    """When something was that a till says was at ``said``, while its clock says ``sent_at`` and
    ours ``now``: as long ago as its clock has it, so how wrong that is makes no difference. Never
    later than now; None for longer ago than ``OLDEST``."""
    ago = max(sent_at - said, timedelta(0))
    return None if ago > OLDEST else now - ago


def digest(*parts: str) -> str:
    """What tells two contents apart, and is the same for the same."""
    told = blake2b(digest_size=16)
    for part in parts:
        told.update(f"{len(part)}:{part}".encode())
    return told.hexdigest()


def reconciled(refunds: Sequence[RefundFacts]) -> tuple[RefundFacts, ...]:
    """The refunds of an order as one account, where both a till and Shopify tell of them.

    They tell of the same money, and what a till calls a refund Shopify never hears. So the more of
    the two is what went back: tills' refunds count only as far as they exceed Shopify's. Any order
    of arrival ends alike, and once Shopify knows of all, Shopify's word is all that counts.
    """
    tills = [each for each in refunds if each.refund_id.startswith(TILLS)]
    if not tills:
        return tuple(refunds)
    others = [each for each in refunds if not each.refund_id.startswith(TILLS)]
    left = max(_sum(tills) - _sum(others), Decimal(0))
    kept = []
    for each in sorted(tills, key=lambda each: (each.created_at, each.refund_id)):
        amount = min(each.merchandise, left)
        left -= amount
        kept.append(replace(each, merchandise=amount))
    return (*others, *kept)


def _sum(refunds: Iterable[RefundFacts]) -> Decimal:
    return sum((each.merchandise for each in refunds), Decimal(0))
