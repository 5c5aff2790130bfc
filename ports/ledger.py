"""The points ledger as the use cases need it: facts of orders, entries, wallets. Append-only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from domain.merging import ToldMerge
from domain.points.ledger import EntryDraft
from domain.points.lot import FOREVER, Life, Share
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.wallet import Wallet
from ports.activities import EarningCounts
from ports.earning import EarningFacts
from ports.programs import Programs


class OrderKey(NamedTuple):
    merchant_id: UUID
    order_id: str


class WalletKey(NamedTuple):
    merchant_id: UUID
    customer_id: UUID


class OrderState(msgspec.Struct, frozen=True):
    """All that is known of an order: its facts (None while only refunds are known), its refunds,
    the entries it has led to, oldest first, and the member whose wallet those went to."""

    facts: OrderFacts | None
    refunds: tuple[RefundFacts, ...]
    entries: tuple[EntryDraft, ...]
    earner: UUID | None = None


class NewEntry(msgspec.Struct, frozen=True):
    """An entry to be posted to a wallet; ``matures_at`` is when pending points become spendable.

    ``life`` is of the lot that a credit opens, and ``look_at`` when the wallet must be looked at
    for its sake, None for never.
    """

    entry_id: UUID
    wallet: WalletKey
    draft: EntryDraft
    at: datetime
    matures_at: datetime | None = None
    life: Life = FOREVER
    look_at: datetime | None = None


class PostedEntry(msgspec.Struct, frozen=True):
    """An entry and the wallet right after it; ``version`` counts the wallet's entries. The draft
    says which lots were used."""

    entry: NewEntry
    wallet: Wallet
    version: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    entry_id: UUID
    draft: EntryDraft
    at: datetime
    life: Life = FOREVER


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a merged member's wallet still holds, its open ``lots``, the first to be spent first,
    and the wallet that it belongs into."""

    merged: WalletKey
    kept: WalletKey
    wallet: Wallet
    version: int
    lots: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class AgeingWallet:
    """A wallet with all its open lots, the first to be spent first. ``active_at`` is when the
    member last earned or spent, ``looked_at`` up to when all that was due has been done."""

    key: WalletKey
    wallet: Wallet
    version: int
    lots: tuple[Share, ...]
    active_at: datetime | None
    looked_at: datetime


class Ageing(NamedTuple):
    """Points of a member that live alike; ``since`` is when the idle days of those that have some
    began: when the member was last active, or the lot was opened if that was later."""

    points: int
    life: Life
    since: datetime


class Ledger(Programs, EarningFacts, EarningCounts, Protocol):
    """Works inside one transaction. Two transactions that touch the same order or the same wallet
    come one after the other.

    A member who was merged into another has the other's wallet from then on: it is what is locked,
    posted to, shown, under either's id. Only entries of ``Source.MERGE`` go to the very wallet they
    name.

    Points are in lots, and which of them an entry uses is what ``domain.points.lots`` says. A
    store keeps the open ones only.
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
        """Append entries, move their wallets and their lots. An entry whose key the merchant's
        ledger already holds, or that undoes what is undone already, is left out of the answer and
        moves nothing; one for a merged member is answered with the wallet it went to. What undoes a
        debit goes back to the lots that paid it (``domain.points.lots.undoing``).
        Raises Unavailable when a member was merged just now: try again. Raises NotFound for what
        undoes an entry that is not the member's."""
        ...

    async def merge(self, merchant_id: UUID, told: Sequence[ToldMerge]) -> Sequence[Leftover]:
        """Learn who stands for whom (``domain.merging.learn_merges``), and hold their wallets until
        the transaction ends. Answers what wallets of merged members hold that is to be moved."""
        ...

    async def wallet(self, key: WalletKey) -> Wallet | None:
        """None for a member who never had a point. With what was spent and has expired of all who
        were merged into the member."""
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

    async def lots(self, key: WalletKey, after: Share | None, limit: int) -> Sequence[Share]:
        """Open lots of a member, the first to be spent first, those that come after ``after``."""
        ...

    async def ageing(
        self, merchant_id: UUID, customers: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[Ageing]]:
        """What of these members' spendable points will expire one day, in no particular order;
        without those of whom nothing will."""
        ...

    async def take_ageing(self, at: datetime, limit: int) -> Sequence[AgeingWallet]:
        """Wallets that must be looked at by now, held until the transaction ends; those that others
        hold are passed over. They go on being handed out until ``look_again``."""
        ...

    async def look_again(self, at: datetime, looks: Mapping[WalletKey, datetime | None]) -> None:
        """These wallets were looked at, and when they must be again; None for no need."""
        ...

    async def take_matured(self, at: datetime, limit: int) -> Sequence[OrderKey]:
        """Orders with pending points whose time has come; each is handed out once."""
        ...
