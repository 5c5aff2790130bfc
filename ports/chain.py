"""The chain of hashes over each shop's entries: what seals them, and what reads them for proof."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.points.chain import Block, Slot, Stored
from domain.points.lot_books import KeptLot
from domain.points.wallet import Wallet


class Progress(NamedTuple):
    """Entries of transactions before ``sealed_to`` are in blocks, except while ``sweeping``: then
    some may be left that are in none. Those up to ``seal_to`` can be sealed now, and ``is_more``
    after that."""

    sealed_to: int
    seal_to: int
    sweeping: bool
    is_more: bool


class Sealed(NamedTuple):
    """What was sealed, and shops whose last block was found to be another than its hash says."""

    blocks: int
    entries: int
    broken: Sequence[UUID]


class Chain(Protocol):
    """Works inside one transaction, and across shops."""

    async def hold_progress(self, most: int) -> Progress | None:
        """How far sealing is, held until the transaction ends; None while somebody else seals.
        ``most`` entries, more or less, lie before ``seal_to``."""
        ...

    async def keep_progress(self, sealed_to: int, *, sweeping: bool) -> None:
        """How far sealing is from now on."""
        ...

    async def seal(self, from_tx: int, to_tx: int, sealed_at: datetime) -> Sealed:
        """Put all entries of these transactions (the last not included) into new blocks, those of a
        shop in the order of their ids."""
        ...

    async def sweep(self, to_tx: int, most: int, sealed_at: datetime) -> Sealed:
        """The same for entries of transactions before ``to_tx`` that are in no block."""
        ...


class KeptWallet(NamedTuple):
    customer_id: UUID
    wallet: Wallet
    version: int


class ChainReader(Protocol):
    """Reads one shop as it was at one moment, however long that takes, a few rows at a time."""

    async def shops(self) -> Sequence[UUID]:
        """All that have wallets or blocks."""
        ...

    async def sealed_to(self) -> int | None:
        """As ``Progress.sealed_to``; None while sweeping."""
        ...

    def blocks(self, merchant_id: UUID) -> AsyncIterator[Block]:
        """By number."""
        ...

    def entries(self, merchant_id: UUID) -> AsyncIterator[tuple[Stored | None, Slot | None]]:
        """Each entry with each place where it is sealed, by member and id; last, what was sealed
        and is not there."""
        ...

    def wallets(self, merchant_id: UUID) -> AsyncIterator[KeptWallet]:
        """By member."""
        ...

    def lots(self, merchant_id: UUID) -> AsyncIterator[KeptLot]:
        """Those that something is left of, by member."""
        ...
