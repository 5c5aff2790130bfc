"""How people leave a shop: deleted, or merged into another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from ports.people import People, Person, PersonKey


@dataclass(frozen=True, slots=True)
class Merge:
    """Two customers that turned out to be one."""

    merchant_id: UUID
    kept_id: UUID
    merged_id: UUID
    merged_shopify_id: str


class Merged(NamedTuple):
    """What a merge came to. ``kept_id`` now stands for each of ``merged_ids``, more than one where
    others had been merged into them before; ``completed``: the kept person has learnt something.
    The higher ``version`` is the later one."""

    kept_id: UUID
    merged_ids: Sequence[UUID]
    version: int
    completed: Person | None


class Departures(People, Protocol):
    """Works inside one transaction."""

    async def forget(self, customers: Mapping[PersonKey, str], at: datetime) -> Sequence[PersonKey]:
        """Erase what is known of these customers, given with their ids at Shopify. Answers those
        who were not gone; one never heard of counts."""
        ...

    async def begin_merge(self, merchant_id: UUID) -> None:
        """Wait for whoever merges customers of this shop; the next waits until this transaction
        ends. To be done before people are locked."""
        ...

    async def merge(self, merge: Merge, at: datetime) -> Merged | None:
        """Let the kept customer stand for the merged one and give them what they lack and the
        other has; the other is gone. The two may be unknown, or gone already.

        Where the merged customer stands for the kept one, they change places. None when that is how
        it was.
        """
        ...
