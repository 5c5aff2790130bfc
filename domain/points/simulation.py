"""What a program would have given for the orders that there were: pure, member by member.

The answer is that of the ledger itself had the same orders come to it under that program, each of
its events at its time (``tests/services/test_simulated_ledger.py`` compares the two). Points spent,
expired or given for anything but buying are left out.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.days import day_of
from domain.points.bonus import NOBODY_SPECIAL, Buyer
from domain.points.clawback import clawback_target
from domain.points.earning import price, terms_of
from domain.points.earning_limits import EVER, Counted, room_for
from domain.points.ledger import (
    EntryDraft,
    EntryKind,
    due_entries,
    earned_by,
    earning_moment,
    release,
)
from domain.points.orders import OrderFacts, RefundFacts
from domain.program import ProgramSettings, RefundPolicy


class PastOrder(NamedTuple):
    """All that is known of an order by now; of a member who was merged, under whose name it
    counts."""

    facts: OrderFacts
    refunds: tuple[RefundFacts, ...] = ()

    @property
    def sales(self) -> Decimal:
        """What was paid for goods and not given back (shop currency)."""
        facts, refunds = self
        if facts.test or facts.cancelled:
            return Decimal(0)
        refunded = sum((each.merchandise for each in refunds), Decimal(0))
        return max(facts.merchandise - refunded, Decimal(0))


@dataclass(slots=True)
class Simulated:
    """What a program would have given. ``points`` has every member whose orders were looked at.
    ``issued`` points were earned, ``taken_back`` of them clawed back; ``earning_orders`` earned
    something at first, whatever became of it."""

    orders: int = 0
    earning_orders: int = 0
    issued: int = 0
    taken_back: int = 0
    points: dict[UUID, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        return self.issued - self.taken_back


class Move(NamedTuple):
    """What an order earned, and how much of it was taken back."""

    issued: int
    taken_back: int


NOTHING = Move(0, 0)


class Simulator:
    """Replays orders against one program. Who bought is taken to be in the tier and the segment
    that ``buyers`` says, at all times."""

    def __init__(self, settings: ProgramSettings, buyers: Mapping[UUID, Buyer]) -> None:
        self._settings = settings
        self._buyers = buyers
        self._terms = terms_of(settings)
        self._by_time = settings.refund_policy is not RefundPolicy.UNLIMITED
        self._limited = bool(settings.purchase.limits)
        self.found = Simulated()

    def add(self, customer_id: UUID, orders: Sequence[PastOrder]) -> None:
        """All orders of a member, in any sequence. Raises CurrencyMismatch."""
        buyer = self._buyers.get(customer_id, NOBODY_SPECIAL)
        found = self.found
        found.orders += len(orders)
        # Where a claw-back takes all that it should, what came first makes no difference; nor where
        # nothing bounds what a member may earn.
        if self._limited or (
            self._by_time and any(each.refunds or each.facts.cancelled for each in orders)
        ):
            moves = list(_replay(self._settings, buyer, orders))
        else:
            moves = [self._settle(each, buyer) for each in orders]
        kept = 0
        for issued, taken_back in moves:
            if issued:
                found.earning_orders += 1
                found.issued += issued
                found.taken_back += taken_back
                kept += issued - taken_back
        found.points[customer_id] = found.points.get(customer_id, 0) + kept

    def _settle(self, order: PastOrder, buyer: Buyer) -> Move:
        """From all that is known of an order, in one step."""
        facts, refunds = order
        earned_at = earning_moment(self._settings.earn_on, facts)
        if earned_at is None or facts.test:
            return NOTHING
        if facts.cancelled_at is not None and facts.cancelled_at <= earned_at:
            return NOTHING
        points, terms = price(self._settings, self._terms, facts, buyer)
        if facts.cancelled_at is not None:
            return Move(points, points)
        if not refunds or not points:
            return Move(points, 0)
        refunded = sum((each.merchandise for each in refunds), Decimal(0))
        return Move(points, clawback_target(terms, refunded))


def _replay(settings: ProgramSettings, buyer: Buyer, orders: Sequence[PastOrder]) -> Iterator[Move]:
    """What each order earned and lost again, with everything done when it happened, because what a
    claw-back may take depends on what the wallet held then, and what an order may earn on what was
    earned before."""
    steps: list[tuple[datetime, int]] = []
    matures: dict[int, datetime] = {}
    for number, (facts, refunds) in enumerate(orders):
        times = {facts.created_at, facts.paid_at, facts.fulfilled_at, facts.cancelled_at}
        earned_at = earning_moment(settings.earn_on, facts)
        if earned_at is not None and settings.pending_days:
            matures[number] = earned_at + timedelta(days=settings.pending_days)
            times.add(matures[number])
        times |= {each.created_at for each in refunds}
        steps += [(at, number) for at in times if at is not None]
    limits = settings.purchase.limits
    counted: dict[date, Counted] = defaultdict(Counted)
    posted: list[list[EntryDraft]] = [[] for _ in orders]
    spendable = 0
    for at, number in sorted(steps):
        facts, refunds = orders[number]
        known = [each for each in refunds if each.created_at <= at]
        own = posted[number]
        day = day_of(facts.created_at, settings.time_zone)
        room = room_for(limits, counted, day).points
        due = due_entries(
            _as_of(facts, at), known, own, settings, buyer=buyer, spendable=spendable, room=room
        )
        for each in (day, EVER):
            counted[each] += earned_by(due)
        if number in matures and at >= matures[number]:
            due += release(facts.order_id, [*own, *due])
        own += due
        spendable += sum(draft.points for draft in due if not draft.pending)
    for own in posted:
        issued = sum(each.points for each in own if each.kind is EntryKind.EARN)
        yield Move(issued, issued - sum(each.points for each in own))


def _as_of(facts: OrderFacts, at: datetime) -> OrderFacts:
    """What was known of an order then, as far as that can be told from what is known now."""

    def then(moment: datetime | None) -> datetime | None:
        return moment if moment is not None and moment <= at else None

    return replace(
        facts,
        financial_status="",  # the times say it
        paid_at=then(facts.paid_at),
        fulfilled_at=then(facts.fulfilled_at),
        cancelled_at=then(facts.cancelled_at),
    )
