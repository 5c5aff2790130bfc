"""Limits on earning, when something that was earned is undone by hand.

It counts no more, as if it had never been earned: staff undoes what was a mistake. What refunds
take back counts on, because buying and giving back is in the member's own hands
(docs/decisions/0032-earning-limits.md). So does a birthday: there is one a year, whatever becomes
of it.
"""

from collections.abc import Iterable
from datetime import datetime

from domain.days import day_of
from domain.points.earning_limits import NOTHING, Counted
from domain.points.ledger import EntryDraft, Source, earned_by
from domain.program import ProgramSettings
from ports.activities import CountKey, Days
from ports.ledger import HistoryEntry, Ledger, OrderState, WalletKey
from services.points.purchase_limits import PURCHASE


async def give_room_back(
    ledger: Ledger,
    wallet: WalletKey,
    program: ProgramSettings,
    undone: HistoryEntry,
    order: OrderState,
    owed: Iterable[EntryDraft],
) -> None:
    """``owed`` is what the order had to post besides. The wallet is held."""
    found = _counted(undone, order, owed)
    if found is None:
        return
    rule, at, back = found
    day = day_of(at, program.time_zone)
    asked = CountKey(*wallet, rule)
    earned = (await ledger.earned({asked: Days(day, day)})).get(asked)
    if earned is None:
        return
    # No more than was counted: an order may have earned while nothing was limited.
    counted = earned.by_day.get(day, NOTHING)
    times, points = min(back.times, counted.times), min(back.points, counted.points)
    if times or points:
        await ledger.count({(earned.key, day): Counted(-times, -points)})


def _counted(
    undone: HistoryEntry, order: OrderState, owed: Iterable[EntryDraft]
) -> tuple[str, datetime, Counted] | None:
    """By which rule and at what time the entry counted, and as what; None if it did not."""
    draft = undone.draft
    if draft.source == Source.ACTIVITY:
        return f"activity:{draft.rule}", undone.at, Counted(1, draft.points)
    earned = earned_by([draft])
    if earned == NOTHING or order.facts is None:
        return None
    besides = earned_by(owed)
    back = Counted(earned.times - besides.times, earned.points - besides.points)
    return PURCHASE, order.facts.created_at, back
