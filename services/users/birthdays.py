"""Telling the mesh whose birthday it is, once a day for each shop, when the day begins there.

A few people at a time: what is told and how far that is are written in one transaction. So nothing
is told twice or left out when a process dies, and days of which nobody was there are made up for.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from contracts.users import CUSTOMER_BIRTHDAY, CustomerBirthday
from domain.birthdays import Birthday, celebrated_on
from domain.days import day_of, start_of
from domain.errors import NotFound
from domain.keys import KeysShut
from ports.birthdays import BirthdayBook, Calendar, Placed, ShopDay
from ports.clock import Clock
from ports.events import Received
from ports.people import Person, PersonKey
from ports.programs import newest_programs
from ports.sealing import CannotOpen
from ports.unit import Unit, Units
from services.users.envelope import Envelope, Envelopes

log = logging.getLogger(__name__)

_AT_ONCE: Final = 200
"""About 10 ms of work, for which nothing else runs in the process."""
_MADE_UP_FOR: Final = timedelta(days=30)
"""A birthday longer ago is not told any more."""
_NOBODY: Final = UUID(int=0)
_NEVER: Final = -1
"""The number of days that are not in the year."""


async def learn_calendars(unit: Unit[BirthdayBook], events: Sequence[Received[Any]]) -> None:
    """Know where each shop's day begins, and whether it celebrates birthdays."""
    calendars = {
        merchant_id: Calendar(
            time_zone=program.time_zone,
            celebrates=program.birthday.enabled and program.birthday.points > 0,
            version=program.version,
        )
        for merchant_id, program in newest_programs(events).items()
    }
    await unit.stores.learn_calendars(calendars, unit.now())


async def tell_birthdays(units: Units[BirthdayBook], envelopes: Envelopes, clock: Clock) -> None:
    """Tell the birthdays of every day that has begun somewhere, but for shops whose keys nobody can
    open now. Raises Unavailable when auth does not answer."""
    await _place(units, envelopes)
    shut: set[UUID] = set()
    while True:
        async with units() as unit:
            due = await unit.stores.due(unit.now(), shut)
        if due is None:
            return
        oldest = day_of(clock.now(), due.time_zone) - _MADE_UP_FOR
        if due.day < oldest:
            async with units() as unit:
                await unit.stores.go_on(due, replace(due, day=oldest, after=_NOBODY))
            continue
        try:
            await _tell(units, envelopes, due)
        except KeysShut:
            shut.add(due.merchant_id)


async def _tell(units: Units[BirthdayBook], envelopes: Envelopes, due: ShopDay) -> None:
    """The next people of a day, and the next day after the last of them."""
    tomorrow = replace(due, day=due.day + timedelta(days=1), after=_NOBODY)
    try:
        envelope = await envelopes.of(due.merchant_id)
    except NotFound:  # a shop that was erased has no birthdays
        async with units() as unit:
            await unit.stores.go_on(due, tomorrow)
        return
    numbers = {envelope.days(*each) for each in celebrated_on(due.day)}
    async with units() as unit:
        people = await unit.stores.people(due, sorted(numbers), _AT_ONCE)
    if not all(envelope.knows(person) for person in people):
        envelope = await envelopes.of(due.merchant_id, people)
    celebrating = [person.key for person in people if _celebrates(person, envelope, due)]
    there_may_be_more = len(people) == _AT_ONCE
    to = replace(due, after=people[-1].key.user_id) if there_may_be_more else tomorrow
    async with units() as unit:
        if await unit.stores.go_on(due, to):
            began = start_of(due.day, due.time_zone)
            for key in celebrating:
                body = CustomerBirthday(customer_id=key.user_id, occurred_at=began)
                unit.emit(CUSTOMER_BIRTHDAY, body, key.merchant_id)


def _celebrates(person: Person, envelope: Envelope, due: ShopDay) -> bool:
    birthday = _opened(person, envelope)
    return birthday is not None and birthday.in_year(due.day.year) == due.day


def _opened(person: Person, envelope: Envelope) -> Birthday | None:
    try:
        return envelope.open(person).birthday
    except CannotOpen:
        log.error("user %s cannot be opened with the key of the shop", person.key.user_id)  # noqa: TRY400 - the trace says no more
        return None


async def _place(units: Units[BirthdayBook], envelopes: Envelopes) -> None:
    """Give everybody a number whose birthday was known before there were any; not in shops whose
    keys nobody can open now."""
    after: PersonKey | None = None
    while True:
        async with units() as unit:
            people = await unit.stores.unplaced(after, _AT_ONCE)
        if not people:
            return
        after = people[-1].key
        placed: list[Placed] = []
        for merchant_id, group in groupby(people, key=lambda person: person.key.merchant_id):
            of_shop = list(group)
            try:
                envelope = await envelopes.of(merchant_id, of_shop)
            except NotFound:
                envelope = None
            except KeysShut:
                after = max(after, of_shop[0].key.last_of_shop)
                continue
            placed += (_placed(person, envelope) for person in of_shop)
        async with units() as unit:
            await unit.stores.place(placed)


def _placed(person: Person, envelope: Envelope | None) -> Placed:
    birthday = None if envelope is None else _opened(person, envelope)
    days = _NEVER
    if envelope is not None and birthday is not None:
        days = envelope.days(birthday.month, birthday.day)
    return Placed(person.key, person.sealed_birthday, days)
