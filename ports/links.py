"""Which members of an organisation's shops are one person, as users keeps it for each shop."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.linking import Step
from ports.people import Person, PersonKey


class Membership(NamedTuple):
    """The organisation that a shop is in, None for none, as of a version that only grows."""

    merchant_id: UUID
    version: int
    organization_id: UUID | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody whose pool was not worked out since they, or their shop's organisation, changed.
    ``may_link``: they are there and did not ask to be forgotten. ``state`` is what their row was
    read as; ``pools`` are those that they were found to belong to or are linked to until now."""

    person: Person
    may_link: bool
    state: str
    pools: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Claim:
    """The pool that a candidate belongs to."""

    candidate: Candidate
    pool_id: UUID | None


class Moved(NamedTuple):
    """What is to be said of a member now."""

    user_id: UUID
    step: Step


class Links(Protocol):
    """Works inside one transaction."""

    async def learn(self, memberships: Iterable[Membership]) -> None:
        """Believe what is newer, at most one of each shop."""
        ...

    async def unsettled(self, after: UUID, limit: int) -> Sequence[Membership]:
        """Shops of which there is somebody to be worked out, by their ids."""
        ...

    async def candidates(self, shop: Membership, limit: int) -> Sequence[Candidate]:
        """Customers of the shop to be worked out, also those who are gone."""
        ...

    async def settle(self, shop: Membership, claims: Sequence[Claim]) -> Sequence[Moved] | None:
        """Keep the pools of those who have not changed since they were read, and link whoever of
        the shop is to be linked now (``domain.linking.linked``). Answers what there is to say of
        it, each member's in the order of its versions; None when the shop's organisation has
        changed: then nothing else has.

        Those who settle the same shop come one after another.
        """
        ...

    async def never_link(self, people: Collection[PersonKey]) -> None:
        """From now on these belong to no pool; they may be unknown."""
        ...
