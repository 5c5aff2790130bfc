"""The chain of hashes over each shop's entries: what seals them, and what reads them for proof."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.points.chain import Block, Found, Kept


class Sealed(NamedTuple):
    """What was sealed, shops whose last block was found to be another than its hash says, and
    whether there is more to be sealed now. ``is_held_up``: entries wait, and none could be."""

    blocks: int
    entries: int
    broken: Sequence[UUID]
    is_more: bool
    is_held_up: bool = False


class Chain(Protocol):
    """Works inside one transaction, and across shops."""

    async def seal(self, most: int, sealed_at: datetime) -> Sealed | None:
        """Put entries that are in no block into new ones, those of a shop in the order of their
        ids: ``most`` of them, more or less. Those from before there was a chain get their turn,
        too. None while somebody else seals.

        A block that is there is never added to, and no entry is left out: one that is committed
        later than others that are sealed comes into a later block.
        """
        ...


class ChainReader(Protocol):
    """Reads a shop while everything runs, a few rows at a time.

    What it tells of a member is of one moment: entries, where they are sealed, wallet and lots.
    Another member may be told of a later moment, where a store keeps none for as long as reading
    a large shop takes. So nothing that one member's books add up to is ever torn; what was sealed
    after ``blocks`` were told waits, as if it were not.
    """

    async def shops(self) -> Sequence[UUID]:
        """All that have wallets, entries or blocks."""
        ...

    def blocks(self, merchant_id: UUID) -> AsyncIterator[Block]:
        """By number."""
        ...

    def books(self, merchant_id: UUID) -> AsyncIterator[Found | Kept]:
        """To be asked for after ``blocks`` are told, to the end. By member: their entries by id,
        each with each place where it is sealed, then what is kept beside them; also of members
        who have no entries. What was sealed and is not there comes last."""
        ...
