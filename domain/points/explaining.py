"""Why an order earns what it earns: each rule with what it did, or what kept it from doing so."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from domain.points.bonus import ONE, Buyer, factor_of, is_among
from domain.points.earning import (
    Judged,
    RuleSnapshot,
    counted_lines,
    is_history,
    judged,
    purchase_points,
    reprice,
)
from domain.points.ledger import earning_moment
from domain.points.orders import OrderFacts
from domain.program import ProgramSettings


class Refusal(StrEnum):
    """Why the purchase rule gives nothing."""

    DISABLED = "disabled"
    TEST_ORDER = "test_order"
    HISTORY = "placed_before_orders_earn"
    CANCELLED = "cancelled"
    NOT_YET = "not_paid_or_fulfilled_yet"
    BELOW_MINIMUM = "below_minimum_spend"
    LESS_THAN_A_POINT = "less_than_a_point"
    LIMIT_REACHED = "limit_reached"


@dataclass(frozen=True, slots=True)
class LineExplained:
    """A line of the order: what counts of it (shop currency), and times how much it earns."""

    product_id: str
    counted: Decimal
    excluded: bool
    factor: Decimal


@dataclass(frozen=True, slots=True)
class Explanation:
    """``points`` is what the order earns now; ``snapshot`` the terms it would be kept by;
    ``capped`` whether a limit keeps it from earning more."""

    points: int
    refusal: Refusal | None
    snapshot: RuleSnapshot
    bonuses: tuple[Judged, ...]
    lines: tuple[LineExplained, ...]
    capped: bool = False


def explain(
    settings: ProgramSettings, facts: OrderFacts, buyer: Buyer, room: int | None = None
) -> Explanation:
    """What ``purchase_points`` makes of an order, and why. Raises CurrencyMismatch."""
    points, snapshot = purchase_points(settings, facts, buyer, room)
    capped = snapshot.cap == points and reprice(snapshot._replace(cap=None), facts).points > points
    refusal = _refusal(settings, facts, snapshot)
    if capped and refusal is Refusal.LESS_THAN_A_POINT:
        refusal = Refusal.LIMIT_REACHED
    excluded = settings.purchase.excluded
    lines = []
    for line in counted_lines(facts):
        out = not excluded.everything and is_among(line, excluded)
        factor = ONE if out else factor_of(line, snapshot.bonuses, snapshot.overlap)
        counted = Decimal(0) if out else line.amount
        lines.append(LineExplained(line.product_id, counted, out, factor))
    return Explanation(
        points=0 if refusal else points,
        refusal=refusal,
        snapshot=snapshot,
        bonuses=tuple(judged(settings, facts, buyer)),
        lines=tuple(lines),
        capped=capped and refusal in (None, Refusal.LIMIT_REACHED),
    )


def _refusal(
    settings: ProgramSettings, facts: OrderFacts, snapshot: RuleSnapshot
) -> Refusal | None:
    if not settings.purchase.enabled:
        return Refusal.DISABLED
    if facts.test:
        return Refusal.TEST_ORDER
    if is_history(settings, facts):
        return Refusal.HISTORY
    if facts.cancelled:
        return Refusal.CANCELLED
    if earning_moment(settings.earn_on, facts) is None:
        return Refusal.NOT_YET
    if snapshot.base < snapshot.minimum_spend:
        return Refusal.BELOW_MINIMUM
    return Refusal.LESS_THAN_A_POINT if snapshot.points == 0 else None
