"""Going through all members of a shop bit by bit, for what a change of its program asks of each."""

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from ports.purchases import MemberKey


class Walks(Protocol):
    """Works inside one transaction; a walk goes on after a crash where it last committed."""

    async def begin_walks(self, merchants: Iterable[UUID]) -> None:
        """Go through these shops, from the start for one that is being gone through already."""
        ...

    async def next_members(self, limit: int) -> Sequence[MemberKey]:
        """The next members of a walk that nobody else is at; empty when no walk is left."""
        ...
