"""Whose birthday it is today, shop by shop: found without opening everybody's.

A birthday is kept sealed. Beside it stands the number of a few days (``BlindSearch.days``), one of
which it is: whoever has the number of today is opened and looked at.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from ports.people import Person, PersonKey


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a shop's program says of birthdays; a higher version is newer."""

    time_zone: str
    celebrates: bool
    version: int


@dataclass(frozen=True, slots=True)
class ShopDay:
    """A day of a shop's calendar whose birthdays are to be told, of people after ``after``."""

    merchant_id: UUID
    time_zone: str
    day: date
    after: UUID


class Placed(NamedTuple):
    """Where somebody belongs whose sealed birthday is (still) this one."""

    key: PersonKey
    sealed_birthday: str
    days: int


class BirthdayBook(Protocol):
    """Works inside one transaction."""

    async def learn_calendars(self, calendars: Mapping[UUID, Calendar], at: datetime) -> None:
        """Believe what is newer. A shop that begins to celebrate does so with the day of ``at``."""
        ...

    async def due(self, at: datetime, but: Collection[UUID] = ()) -> ShopDay | None:
        """A day that has begun by now where it is, and is not done; of no shop of ``but``."""
        ...

    async def people(self, of: ShopDay, days: Iterable[int], limit: int) -> Sequence[Person]:
        """Customers of the shop with one of these numbers, by their ids."""
        ...

    async def go_on(self, done: ShopDay, to: ShopDay) -> bool:
        """Remember that what is before ``to`` is told. False when somebody else was quicker with
        ``done``: then nothing has changed."""
        ...

    async def unplaced(self, after: PersonKey | None, limit: int) -> Sequence[Person]:
        """Customers whose birthday has no number yet, by shop and id."""
        ...

    async def place(self, people: Iterable[Placed]) -> None:
        """Store the numbers of those whose birthday is still the same."""
        ...
