"""Finding people who are sealed: by their names, and those who share an e-mail address."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from ports.people import Person, PersonKey


@dataclass(frozen=True, slots=True)
class Sought:
    """A name that is looked for, as ``BlindSearch.asked``. Whoever has ``least`` of the numbers is
    found."""

    numbers: Sequence[int]
    least: int


class Rank(NamedTuple):
    """A place among those whose names are like one that was looked for, best first: right after
    somebody with ``shared`` of the numbers."""

    shared: int
    user_id: UUID


class Found(NamedTuple):
    person: Person
    shared: int


class Named(NamedTuple):
    """Somebody's contact as it was when their name was worked out of it."""

    key: PersonKey
    sealed_contact: str
    name_index: Sequence[int]


@dataclass(frozen=True, slots=True)
class Namesakes:
    """Customers with one e-mail address: how many, and the newest of them."""

    email_index: str
    count: int
    newest: Sequence[Person]


class Names(Protocol):
    """Works inside one transaction. Finds nobody who is gone."""

    async def search(
        self, merchant_id: UUID, kind: str, sought: Sought, after: Rank | None, limit: int
    ) -> Sequence[Found]:
        """People of one kind whose names are like this one, the most alike first."""
        ...

    async def namesakes(
        self, merchant_id: UUID, after: str, limit: int, newest: int
    ) -> Sequence[Namesakes]:
        """E-mail addresses that several customers have, by their index, those after ``after``; of
        each so many of the ``newest``."""
        ...

    async def unnamed(self, after: PersonKey | None, limit: int) -> Sequence[Person]:
        """Those of all shops whose names were not worked out since they changed, by key."""
        ...

    async def name(self, people: Iterable[Named]) -> None:
        """Make these people findable by name, unless they have changed meanwhile."""
        ...
