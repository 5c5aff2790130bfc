"""``ports.ledger.Ledger`` in memory."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, datetime
from uuid import UUID

from msgspec.structs import replace

from adapters.memory.activities import MemoryCounts
from domain.errors import NotFound
from domain.merging import StandIn, ToldMerge, learn_merges
from domain.points.bonus import Buyer
from domain.points.earning_limits import Counted
from domain.points.ledger import EntryDraft, Source
from domain.points.lot import FOREVER, Share, spending_order
from domain.points.lots import Lots, is_activity, undoing
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.wallet import EMPTY, Wallet, apply, together
from domain.program import ProgramSettings
from ports.activities import ActivityTold, CountKey, Days, Earned
from ports.earning import (
    BuyerFacts,
    BuyerKey,
    CollectionFacts,
    GoodsFacts,
    GoodsKey,
    KnownGoods,
)
from ports.ledger import (
    Ageing,
    AgeingWallet,
    HistoryEntry,
    Leftover,
    NewEntry,
    OrderKey,
    OrderState,
    PostedEntry,
    WalletKey,
)


class MemoryLedger:
    def __init__(self) -> None:
        self._facts: dict[OrderKey, OrderFacts] = {}
        self._refunds: dict[OrderKey, dict[str, RefundFacts]] = defaultdict(dict)
        self._entries: list[NewEntry] = []
        self._taken: set[tuple[UUID, tuple[str, str, str, str]]] = set()
        self._undone: set[tuple[UUID, UUID]] = set()
        self._wallets: dict[WalletKey, tuple[Wallet, int]] = {}
        self._lots: dict[WalletKey, list[Share]] = {}
        self._active: dict[WalletKey, datetime] = {}
        self._expiring: dict[WalletKey, tuple[datetime, datetime]] = {}
        """When wallets are due, and up to when they were looked at."""
        self._maturing: dict[OrderKey, datetime] = {}
        self._programs: dict[UUID, ProgramSettings] = {}
        self._stand_ins: dict[UUID, dict[UUID, StandIn]] = defaultdict(dict)
        self._buyers: dict[BuyerKey, BuyerFacts] = {}
        self._goods: dict[GoodsKey, GoodsFacts] = {}
        self._collections: dict[GoodsKey, CollectionFacts] = {}
        self._counts = MemoryCounts()

    async def lock_orders(self, keys: Iterable[OrderKey]) -> Mapping[OrderKey, OrderState]:
        return {key: self._state(key) for key in sorted(keys)}

    def _state(self, key: OrderKey) -> OrderState:
        own = [
            entry
            for entry in self._entries
            if entry.draft.order_id and key == (entry.wallet.merchant_id, entry.draft.order_id)
        ]
        return OrderState(
            self._facts.get(key),
            tuple(self._refunds[key].values()),
            tuple(entry.draft for entry in own),
            own[0].wallet.customer_id if own else None,
        )

    async def learn_orders(self, facts: Mapping[OrderKey, OrderFacts]) -> None:
        self._facts.update(facts)

    async def learn_refunds(self, refunds: Mapping[OrderKey, Sequence[RefundFacts]]) -> None:
        for key, found in refunds.items():
            for refund in found:
                self._refunds[key].setdefault(refund.refund_id, refund)

    async def lock_wallets(self, keys: Iterable[WalletKey]) -> Mapping[WalletKey, Wallet]:
        return {key: self._wallets.get(self._last(key), (EMPTY, 0))[0] for key in keys}

    async def post(self, entries: Sequence[NewEntry]) -> Sequence[PostedEntry]:
        posted = []
        for addressed in entries:
            entry = addressed
            if entry.draft.source != Source.MERGE:
                entry = replace(entry, wallet=self._last(entry.wallet))
            if not self._is_new(entry):
                continue
            entry = self._use_lots(entry)
            self._entries.append(entry)
            if entry.matures_at is not None and entry.draft.points > 0:
                order = OrderKey(entry.wallet.merchant_id, entry.draft.order_id)
                self._maturing.setdefault(order, entry.matures_at)
            if is_activity(entry.draft):
                known = self._active.get(entry.wallet, entry.at)
                self._active[entry.wallet] = max(known, entry.at)
            wallet, version = self._wallets.get(entry.wallet, (EMPTY, 0))
            after = (apply(wallet, entry.draft), version + 1)
            self._wallets[entry.wallet] = after
            posted.append(PostedEntry(entry, *after))
        return posted

    def _is_new(self, entry: NewEntry) -> bool:
        merchant_id, undoes = entry.wallet.merchant_id, entry.draft.undoes
        once = (merchant_id, entry.draft.key)
        if once in self._taken or (undoes is not None and (merchant_id, undoes) in self._undone):
            return False
        self._taken.add(once)
        if undoes is not None:
            self._undone.add((merchant_id, undoes))
        return True

    def _use_lots(self, entry: NewEntry) -> NewEntry:
        """The entry with what it took from lots or gave back."""
        draft = entry.draft
        if draft.undoes is not None:
            draft = undoing(draft, self._undone_by(entry))
        wallet, _ = self._wallets.get(entry.wallet, (EMPTY, 0))
        lots = Lots(wallet.spendable, self._lots.get(entry.wallet, ()))
        uses = lots.apply(entry.entry_id, draft, entry.at, entry.life)
        self._lots[entry.wallet] = lots.open()
        looks = [share.lot.life != FOREVER and entry.at for share in uses if draft.points > 0] + [
            entry.look_at
        ]
        for look_at in looks:
            if look_at:
                due_at, looked_at = self._expiring.get(entry.wallet, (look_at, entry.at))
                self._expiring[entry.wallet] = (min(due_at, look_at), looked_at)
        return replace(entry, draft=draft._replace(uses=uses))

    def _undone_by(self, entry: NewEntry) -> EntryDraft:
        for known in self._entries:
            if known.entry_id == entry.draft.undoes and self._last(known.wallet) == entry.wallet:
                return known.draft
        raise NotFound("There is no such entry to be undone.")

    def _last(self, key: WalletKey) -> WalletKey:
        """The wallet of who stands for a member."""
        stand_in = self._stand_ins[key.merchant_id].get(key.customer_id, StandIn())
        return key._replace(customer_id=stand_in.kept_id or key.customer_id)

    async def merge(self, merchant_id: UUID, told: Sequence[ToldMerge]) -> Sequence[Leftover]:
        known = self._stand_ins[merchant_id]
        changed = learn_merges(known, told)
        known |= changed
        left = []
        for customer_id, stand_in in changed.items():
            merged = WalletKey(merchant_id, customer_id)
            wallet, version = self._wallets.get(merged, (EMPTY, 0))
            if stand_in.kept_id is not None and (wallet.spendable or wallet.pending):
                kept = WalletKey(merchant_id, stand_in.kept_id)
                lots = tuple(self._lots.get(merged, ()))
                left.append(Leftover(merged, kept, wallet, version, lots))
        for customer_id, stand_in in changed.items():
            self._be_active_as(WalletKey(merchant_id, customer_id), stand_in)
        return left

    def _be_active_as(self, merged: WalletKey, stand_in: StandIn) -> None:
        """Whoever stands for a member was active when the member was."""
        if merged in self._active and stand_in.kept_id is not None:
            kept = merged._replace(customer_id=stand_in.kept_id)
            self._active[kept] = max(
                self._active[merged], self._active.get(kept, self._active[merged])
            )

    async def wallet(self, key: WalletKey) -> Wallet | None:
        last = self._last(key)
        own = [wallet for each, (wallet, _) in self._wallets.items() if self._last(each) == last]
        return together(own) if own else None

    async def wallets(self, merchant_id: UUID, customers: Sequence[UUID]) -> Mapping[UUID, Wallet]:
        found = {each: await self.wallet(WalletKey(merchant_id, each)) for each in customers}
        return {each: wallet for each, wallet in found.items() if wallet is not None}

    async def history(
        self, key: WalletKey, before: UUID | None, limit: int
    ) -> Sequence[HistoryEntry]:
        last = self._last(key)
        own = sorted(
            (
                entry
                for entry in self._entries
                if self._last(entry.wallet) == last and (before is None or entry.entry_id < before)
            ),
            key=lambda entry: entry.entry_id,
            reverse=True,
        )
        return [HistoryEntry(each.entry_id, each.draft, each.at, each.life) for each in own[:limit]]

    async def lots(self, key: WalletKey, after: Share | None, limit: int) -> Sequence[Share]:
        found = self._lots.get(self._last(key), [])
        if after is not None:
            found = [each for each in found if spending_order(each) > spending_order(after)]
        return found[:limit]

    async def ageing(
        self, merchant_id: UUID, customers: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[Ageing]]:
        found = {}
        for customer_id in customers:
            last = self._last(WalletKey(merchant_id, customer_id))
            found[customer_id] = [
                Ageing(points, lot.life, max(lot.opened_at, self._active.get(last, lot.opened_at)))
                for lot, points in self._lots.get(last, ())
                if lot.life != FOREVER
            ]
        return {customer_id: ageing for customer_id, ageing in found.items() if ageing}

    async def take_ageing(self, at: datetime, limit: int) -> Sequence[AgeingWallet]:
        due = sorted((due_at, key) for key, (due_at, _) in self._expiring.items() if due_at <= at)
        return [
            AgeingWallet(
                key,
                *self._wallets.get(key, (EMPTY, 0)),
                tuple(self._lots.get(key, ())),
                self._active.get(key),
                self._expiring[key][1],
            )
            for _, key in due[:limit]
        ]

    async def look_again(self, at: datetime, looks: Mapping[WalletKey, datetime | None]) -> None:
        for key, due_at in looks.items():
            if due_at is None:
                del self._expiring[key]
            else:
                self._expiring[key] = (due_at, at)

    async def take_matured(self, at: datetime, limit: int) -> Sequence[OrderKey]:
        due = sorted((when, key) for key, when in self._maturing.items() if when <= at)[:limit]
        for _, key in due:
            del self._maturing[key]
        return [key for _, key in due]

    async def programs(
        self, merchants: Iterable[UUID], *, hold: bool = False
    ) -> Mapping[UUID, ProgramSettings]:
        del hold  # one transaction at a time: everything is held
        return {each: self._programs[each] for each in merchants if each in self._programs}

    async def learn_programs(
        self, programs: Mapping[UUID, ProgramSettings]
    ) -> Mapping[UUID, ProgramSettings | None]:
        replaced = {}
        for merchant_id, settings in programs.items():
            known = self._programs.get(merchant_id)
            if known is None or known.version < settings.version:
                self._programs[merchant_id] = settings
                replaced[merchant_id] = known
        return replaced

    async def learn_buyers(self, told: Mapping[BuyerKey, BuyerFacts]) -> None:
        for key, facts in told.items():
            known = self._buyers.get(key)
            if known is None or known.version < facts.version:
                self._buyers[key] = facts

    async def buyers(self, keys: Iterable[BuyerKey]) -> Mapping[BuyerKey, Buyer]:
        return {key: self._buyers[key].buyer for key in keys if key in self._buyers}

    async def learn_goods(self, told: Mapping[GoodsKey, GoodsFacts]) -> None:
        for key, facts in told.items():
            known = self._goods.get(key)
            if known is None or known.updated_at < facts.updated_at:
                self._goods[key] = facts

    async def learn_collections(self, told: Mapping[GoodsKey, CollectionFacts]) -> None:
        for key, facts in told.items():
            known = self._collections.get(key)
            if known is None or known.version < facts.version:
                self._collections[key] = facts

    async def goods(self, keys: Iterable[GoodsKey]) -> Mapping[GoodsKey, KnownGoods]:
        return {
            key: KnownGoods(
                self._goods[key].tags if key in self._goods else (),
                self._collections[key].collections if key in self._collections else (),
            )
            for key in keys
            if key in self._goods or key in self._collections
        }

    async def members(self, keys: Iterable[BuyerKey]) -> Set[BuyerKey]:
        return {
            key
            for key in keys
            if key in self._buyers
            or WalletKey(*key) in self._wallets
            or self._last(WalletKey(*key)) != WalletKey(*key)
        }

    async def activity(self, member: BuyerKey, rule: str, reference: str) -> ActivityTold | None:
        wanted = (Source.ACTIVITY, reference, rule, "")
        for entry in self._entries:
            if entry.wallet.merchant_id == member.merchant_id and entry.draft.key == wanted:
                is_theirs = self._last(entry.wallet) == self._last(WalletKey(*member))
                return ActivityTold(entry.entry_id, entry.draft.points, entry.at, is_theirs)
        return None

    async def earned(self, asked: Mapping[CountKey, Days]) -> Mapping[CountKey, Earned]:
        found = {}
        for key, days in asked.items():
            last = self._last(WalletKey(key.merchant_id, key.customer_id))
            known = self._stand_ins[key.merchant_id]
            same = [
                last.customer_id,
                *(each for each in known if known[each].kept_id == last.customer_id),
            ]
            keys = [key._replace(customer_id=each) for each in same]
            found[key] = Earned(keys[0], self._counts.of(keys, days))
        return found

    async def count(self, counted: Mapping[tuple[CountKey, date], Counted]) -> None:
        self._counts.add(counted)
