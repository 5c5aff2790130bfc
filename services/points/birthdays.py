"""Points on members' birthdays, once a year whatever becomes of the birthday."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from contracts.users import CustomerBirthday
from domain.days import day_of
from domain.points.activities import ONCE_A_YEAR
from domain.points.activity_entries import birthday_entry
from domain.points.earning_limits import Counted, days_asked, room_for
from ports.activities import CountKey, Days
from ports.events import Received
from ports.ledger import Ledger, NewEntry, WalletKey
from ports.unit import Unit
from services.points.posting import post

_BIRTHDAY = "birthday"


async def apply_birthdays(unit: Unit[Ledger], events: Sequence[Received[Any]]) -> None:
    """Give what each shop's program has for a birthday, to those who had none for 365 days.

    Who were merged are one person, and so have one birthday a year, too.
    """
    programs = await unit.stores.programs({event.merchant_id for event in events})
    told: list[tuple[date, CountKey, Received[Any]]] = []
    asked: dict[CountKey, Days] = {}
    for event in events:
        body: CustomerBirthday = event.body
        program = programs.get(event.merchant_id)
        if program is None or not program.birthday.enabled or program.birthday.points == 0:
            continue
        day = day_of(body.occurred_at, program.time_zone)
        key = CountKey(event.merchant_id, body.customer_id, _BIRTHDAY)
        told.append((day, key, event))
        first, last = days_asked(ONCE_A_YEAR, day)
        known = asked.get(key, Days(first, last))
        asked[key] = Days(min(first, known.first), max(last, known.last))
    if not told:
        return
    await unit.stores.lock_wallets({WalletKey(key.merchant_id, key.customer_id) for key in asked})
    earned = await unit.stores.earned(asked)
    by_day: dict[CountKey, dict[date, Counted]] = defaultdict(dict)
    for each in earned.values():  # of two who are one person maybe of other days
        by_day[each.key].update(each.by_day)
    now = unit.now()
    entries: list[NewEntry] = []
    causes: dict[UUID, Received[Any]] = {}
    counted: dict[tuple[CountKey, date], Counted] = {}
    for day, key, event in sorted(told, key=lambda each: each[:2]):
        person = earned[key].key
        if room_for(ONCE_A_YEAR, by_day[person], day).points == 0:
            continue
        rule = programs[key.merchant_id].birthday
        wallet = WalletKey(key.merchant_id, key.customer_id)
        draft = birthday_entry(rule, key.customer_id, day)
        entry = NewEntry(unit.new_id(), wallet, draft, now)
        entries.append(entry)
        causes[entry.entry_id] = event
        counted[person, day] = by_day[person][day] = Counted(1, rule.points)
    await post(unit, entries, causes)
    await unit.stores.count(counted)
