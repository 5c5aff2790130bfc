"""Points for activities: what a member did is told by the shop, by an app of its, or by the member.

A decision is made while the member's wallet is held. So of two reports at once one finds what the
other has counted, and together they never pass a limit.
"""

from datetime import date
from typing import Final

from contracts.activities import ActivityEarned, EarnPoints
from contracts.caller import Audience, Caller
from domain.days import day_of
from domain.errors import InvalidRequest, NotFound, Problem
from domain.points.activities import (
    ActivityDisabled,
    ActivityNotForTier,
    ActivityRule,
    NotSelfService,
    ReferenceUsed,
    UnknownActivity,
)
from domain.points.activity_entries import activity_entry
from domain.points.bonus import NOBODY_SPECIAL
from domain.points.earning_limits import (
    Counted,
    days_asked,
    ends_at,
    limit_reached,
    room_for,
)
from domain.program import defaults
from ports.activities import CountKey, Days, Earned
from ports.earning import BuyerKey
from ports.ledger import Ledger, NewEntry
from ports.unit import Unit
from services.points.account import wallet_of
from services.points.posting import post

_MOST_REFERENCE: Final = 200
_MOST_ACTIVITY: Final = 60


async def earn(unit: Unit[Ledger], caller: Caller, request: EarnPoints) -> ActivityEarned:
    """Give the points of an activity, or of it what the program's limits leave."""
    _check(request)
    key = wallet_of(caller, request)
    member = BuyerKey(*key)
    stores = unit.stores
    if member not in await stores.members([member]):
        raise NotFound("This shop has no such member.")
    program = (await stores.programs([key.merchant_id])).get(key.merchant_id) or defaults("USD")
    rule = program.activity(request.activity)
    if caller.audience is Audience.CUSTOMER and not (rule is not None and rule.self_service):
        raise NotSelfService
    await stores.lock_wallets([key])
    told = await stores.activity(member, request.activity, request.reference)
    if told is not None:
        if not told.is_theirs:
            raise ReferenceUsed
        return ActivityEarned(
            entry_id=told.entry_id,
            activity=request.activity,
            points=told.points,
            occurred_at=told.at,
            repeated=True,
        )
    if rule is None:
        raise UnknownActivity
    await _check_may_earn(unit, member, rule)
    now = unit.now()
    day = day_of(now, program.time_zone)
    earned = await _earned(unit, member, rule, day)
    room = room_for(rule.limits, earned.by_day, day)
    if room.points == 0 and room.limit is not None:
        raise limit_reached(room.limit, ends_at(room.limit, earned.by_day, day, program.time_zone))
    points = rule.points if room.points is None else min(rule.points, room.points)
    draft = activity_entry(rule, request.reference, points)
    posted = await post(unit, [NewEntry(unit.new_id(), key, draft, now)])
    if not posted:
        raise ReferenceUsed  # somebody else's, at the same moment
    await stores.count({(earned.key, day): Counted(1, points)})
    return ActivityEarned(
        entry_id=posted[0].entry.entry_id, activity=rule.id, points=points, occurred_at=now
    )


async def _check_may_earn(unit: Unit[Ledger], member: BuyerKey, rule: ActivityRule) -> None:
    """Raises what keeps the member from earning by this rule, whatever its limits."""
    if not rule.enabled:
        raise ActivityDisabled
    if rule.tiers:
        buyer = (await unit.stores.buyers([member])).get(member, NOBODY_SPECIAL)
        if buyer.tier not in rule.tiers:
            raise ActivityNotForTier


async def _earned(unit: Unit[Ledger], member: BuyerKey, rule: ActivityRule, day: date) -> Earned:
    key = CountKey(*member, f"activity:{rule.id}")
    days = Days(*days_asked(rule.limits, day))
    return (await unit.stores.earned({key: days}))[key]


def _check(request: EarnPoints) -> None:
    """Raises InvalidRequest with all that is wrong, but for who is meant."""
    problems = []
    if not 0 < len(request.activity) <= _MOST_ACTIVITY:
        problems.append(Problem("/activity", f"1 to {_MOST_ACTIVITY} characters are needed."))
    reference = request.reference
    if not (0 < len(reference) <= _MOST_REFERENCE and reference.isprintable()):
        detail = f"1 to {_MOST_REFERENCE} characters on one line are needed."
        problems.append(Problem("/reference", detail))
    if problems:
        raise InvalidRequest(problems=problems)
