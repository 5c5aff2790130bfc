"""Members' ledgers as of any moment: what a wallet was, and the entries of a stretch of time."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.points.chain import Head, Stored
from domain.points.statement import Entry
from domain.points.wallet import Wallet
from ports.ledger import WalletKey


class Mark(NamedTuple):
    """A place in the order of a member's entries: time first, then id."""

    at: datetime
    entry_id: UUID


class Statements(Protocol):
    """Works inside one transaction. A member's entries are those of all who were merged into them,
    under the id of any of them."""

    async def wallet_before(self, key: WalletKey, before: Mark | None) -> Wallet | None:
        """What a wallet was, just before this place in its entries; None: what it is. None is
        answered for who never had a point."""
        ...

    async def mark_of(self, key: WalletKey, entry_id: UUID) -> Mark | None:
        """Where an entry of the member is; None when they have no such entry."""
        ...

    async def entries_from(
        self, key: WalletKey, start: Mark, before: Mark | None, limit: int
    ) -> Sequence[Entry]:
        """From one place up to another, which is left out, the oldest first."""
        ...


class ExportMark(NamedTuple):
    """A place in the order of a shop's entries: member, then id."""

    customer_id: UUID
    entry_id: UUID


class Exports(Protocol):
    """Works inside one transaction."""

    async def stored(
        self, merchant_id: UUID, after: ExportMark | None, limit: int
    ) -> Sequence[Stored]:
        """The entries of a shop as they are stored, by member and id."""
        ...

    async def head(self, merchant_id: UUID) -> Head | None:
        """The last block of its chain."""
        ...
