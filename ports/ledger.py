"""The points ledger as the use cases need it: facts of orders, entries, wallets. Append-only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.merging import ToldMerge
from domain.points.ledger import EntryDraft
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.wallet import Wallet
from ports.earning import EarningFacts
from ports.programs import Programs


class OrderKey(NamedTuple):
    merchant_id: UUID
    order_id: str


class WalletKey(NamedTuple):
    merchant_id: UUID
    customer_id: UUID


@dataclass(frozen=True, slots=True)
class OrderState:
    """All that is known of an order: its facts (None while only refunds are known), its refunds,
    the entries it has led to, oldest first, and the member whose wallet those went to."""

    facts: OrderFacts | None
    refunds: tuple[RefundFacts, ...]
    entries: tuple[EntryDraft, ...]
    earner: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be posted to a wallet; ``matures_at`` is when pending points become spendable."""

    entry_id: UUID
    wallet: WalletKey
    draft: EntryDraft
    at: datetime
    matures_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """An entry and the wallet right after it; ``version`` counts the wallet's entries."""

    entry: NewEntry
    wallet: Wallet
    version: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    entry_id: UUID
    draft: EntryDraft
    at: datetime


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a merged member's wallet still holds, and the wallet that it belongs into."""

    merged: WalletKey
    kept: WalletKey
    wallet: Wallet
    version: int


class Ledger(Programs, EarningFacts, Protocol):
    """Works inside one transaction. Two transactions that touch the same order or the same wallet
    come one after the other.

    A member who was merged into another has the other's wallet from then on: it is what is locked,
    posted to, shown, under either's id. Only entries of ``Source.MERGE`` go to the very wallet they
    name.
    """

    async def lock_orders(self, keys: Iterable[OrderKey]) -> Mapping[OrderKey, OrderState]:
        """The state of these orders, held until the transaction ends; an unknown one is empty."""
        ...

    async def learn_orders(self, facts: Mapping[OrderKey, OrderFacts]) -> None:
        """Store the facts of orders that were locked before."""
        ...

    async def learn_refunds(self, refunds: Mapping[OrderKey, Sequence[RefundFacts]]) -> None:
        """Store refunds of orders that were locked before; a known one is left as it is."""
        ...

    async def lock_wallets(self, keys: Iterable[WalletKey]) -> Mapping[WalletKey, Wallet]:
        """These wallets, held until the transaction ends; a new one is empty."""
        ...

    async def post(self, entries: Sequence[NewEntry]) -> Sequence[PostedEntry]:
        """Append entries and move their wallets. An entry whose key the merchant's ledger already
        holds is left out of the answer and moves nothing; one for a merged member is answered with
        the wallet it went to. Raises Unavailable when a member was merged just now: try again."""
        ...

    async def merge(self, merchant_id: UUID, told: Sequence[ToldMerge]) -> Sequence[Leftover]:
        """Learn who stands for whom (``domain.merging.learn_merges``), and hold their wallets until
        the transaction ends. Answers what wallets of merged members hold that is to be moved."""
        ...

    async def wallet(self, key: WalletKey) -> Wallet | None:
        """None for a member who never had a point."""
        ...

    async def wallets(self, merchant_id: UUID, customers: Sequence[UUID]) -> Mapping[UUID, Wallet]:
        """The wallets that exist of these members."""
        ...

    async def history(
        self, key: WalletKey, before: UUID | None, limit: int
    ) -> Sequence[HistoryEntry]:
        """Newest first, those older than the entry ``before``; with those of all who were merged
        into the member."""
        ...

    async def take_matured(self, at: datetime, limit: int) -> Sequence[OrderKey]:
        """Orders with pending points whose time has come; each is handed out once."""
        ...
