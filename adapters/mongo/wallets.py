"""Wallets of the ledger on MongoDB: holding them, who stands for whom, their lots and their age."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bson import Int64

from adapters.mongo.collections import AGEING, LOTS, WALLETS
from adapters.mongo.ledger_documents import (
    Held,
    lot_document,
    read_lot,
    read_wallet,
    wallet_document,
)
from adapters.mongo.locks import MERGES, WALLET, LockName
from adapters.mongo.transaction import Transaction, in_shops
from adapters.mongo.values import Document, instant, ticks
from domain.merging import ToldMerge, learn_merges
from domain.points.lot import FOREVER, Share, spending_order
from domain.points.wallet import Wallet, together
from ports.ledger import Ageing, AgeingWallet, Leftover, WalletKey

_NEVER: Final = Int64(2**63 - 1)
_SPENDING_ORDER: Final = (("spent_by", 1), ("opened_at", 1), ("lot_id", 1))
_WHO_AGES: Final = {"$or": [{"expires_at": {"$ne": None}}, {"idle_days": {"$gt": 0}}]}

Looked = tuple[datetime, datetime]
"""When a wallet must be looked at, and up to when it was."""


class MongoWallets:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._wallets: dict[WalletKey, Held] = {}
        self._lots: dict[WalletKey, dict[UUID, Share]] = defaultdict(dict)
        """Open lots, as this transaction leaves them: all of those in ``_known_lots``, of other
        wallets those that it has opened."""
        self._known_lots: set[WalletKey] = set()
        self._put: dict[WalletKey, dict[UUID, Share]] = defaultdict(dict)
        """Lots that this transaction has changed; closed ones with no points."""
        self._ageing: dict[WalletKey, Looked | None] = {}

    async def lock_wallets(self, keys: Iterable[WalletKey]) -> Mapping[WalletKey, Wallet]:
        asked = set(keys)
        await self._hold(asked)
        while missing := {self._next(key) for key in self._wallets} - self._wallets.keys():
            await self._hold(missing)
        return {key: self._wallets[self._last(key)].wallet for key in asked}

    async def _hold(self, keys: Iterable[WalletKey]) -> None:
        new = set(keys) - self._wallets.keys()
        if not new:
            return
        await self._transaction.lock(_lock(key) for key in new)
        found = {
            WalletKey(each["merchant_id"], each["customer_id"]): read_wallet(each)
            for each in await self._transaction.find(WALLETS, in_shops(new, "customer_id"))
        }
        self._wallets |= {key: found.get(key) or Held() for key in new}

    def _next(self, key: WalletKey) -> WalletKey:
        return _kept(key, self._wallets)

    def _last(self, key: WalletKey) -> WalletKey:
        """The wallet of who stands for a member; all on the way to it are held."""
        while (following := self._next(key)) != key:
            key = following
        return key

    def _put_wallet(self, key: WalletKey) -> None:
        self._transaction.put(WALLETS, wallet_document(key, self._wallets[key]))

    async def merge(self, merchant_id: UUID, told: Sequence[ToldMerge]) -> Sequence[Leftover]:
        # Merges of a shop come one after the other: who stands for whom is as it is read here.
        await self._transaction.lock([LockName(MERGES, merchant_id, "")])
        named = {each for merge in told for each in (merge.merged_id, merge.kept_id)}
        found = await self._transaction.find(
            WALLETS, {merchant_id: {"merged_into": {"$in": list(named)}}}, fields=["customer_id"]
        )
        named |= {each["customer_id"] for each in found}
        concerned = {WalletKey(merchant_id, each) for each in named}
        await self._hold(concerned)
        stand_ins = {key.customer_id: self._wallets[key].stand_in for key in concerned}
        known = {each: stand_in for each, stand_in in stand_ins.items() if stand_in.version > 0}
        changed = learn_merges(known, told)
        left = []
        for customer_id, stand_in in changed.items():
            key = WalletKey(merchant_id, customer_id)
            held = self._wallets[key]
            held.stand_in = stand_in
            self._put_wallet(key)
            if stand_in.kept_id is None:
                continue
            kept = WalletKey(merchant_id, stand_in.kept_id)
            await self._be_active_as(held, kept)
            if held.wallet.spendable or held.wallet.pending:
                await self._know_lots([key])
                lots = tuple(sorted(self._lots[key].values(), key=spending_order))
                left.append(Leftover(key, kept, held.wallet, held.version, lots))
        return left

    async def _be_active_as(self, merged: Held, kept: WalletKey) -> None:
        """Whoever stands for a member was active when the member was."""
        if merged.active_at is not None:
            await self._hold([kept])
            self._was_active(kept, merged.active_at)
            self._put_wallet(kept)

    def _was_active(self, key: WalletKey, at: datetime) -> None:
        held = self._wallets[key]
        held.active_at = at if held.active_at is None else max(held.active_at, at)

    async def wallet(self, key: WalletKey) -> Wallet | None:
        return (await self.wallets(key.merchant_id, [key.customer_id])).get(key.customer_id)

    async def wallets(self, merchant_id: UUID, customers: Sequence[UUID]) -> Mapping[UUID, Wallet]:
        return await self._wallets_of(merchant_id, await self._look(merchant_id, customers))

    async def _wallets_of(
        self, merchant_id: UUID, found: Mapping[UUID, tuple[WalletKey, Held]]
    ) -> dict[UUID, Wallet]:
        """The wallets that exist of these members, whose own are known."""
        held = dict(found.values())
        people = await self._people(merchant_id, {last.customer_id for last in held})
        merged = {WalletKey(merchant_id, each) for own in people.values() for each in own}
        if others := merged - held.keys():
            held |= await self._known(merchant_id, [key.customer_id for key in others])
        asked = {}
        for customer_id, (last, _) in found.items():
            own = [held[WalletKey(merchant_id, each)] for each in people[last.customer_id]]
            if any(each.version > 0 for each in own):
                asked[customer_id] = together(each.wallet for each in own)
        return asked

    async def _known(self, merchant_id: UUID, customers: Iterable[UUID]) -> dict[WalletKey, Held]:
        """These very wallets, whoever stands for their members."""
        wanted = list(customers)
        known = {WalletKey(merchant_id, each): Held() for each in wanted}
        found = await self._transaction.find(
            WALLETS, {merchant_id: {"customer_id": {"$in": wanted}}}
        )
        for each in found:
            known[WalletKey(merchant_id, each["customer_id"])] = read_wallet(each)
        return known | {key: held for key, held in self._wallets.items() if key in known}

    async def _look(
        self, merchant_id: UUID, customers: Iterable[UUID]
    ) -> dict[UUID, tuple[WalletKey, Held]]:
        """The wallets that these members have, without holding them; one that nobody ever had is
        as a new one."""
        known: dict[WalletKey, Held] = {}
        asked = [WalletKey(merchant_id, each) for each in customers]
        missing = set(asked)
        while missing:
            known |= await self._known(merchant_id, [key.customer_id for key in missing])
            missing = {_kept(key, known) for key in known} - known.keys()
        found = {}
        for key in asked:
            last = key
            while (following := _kept(last, known)) != last:
                last = following
            found[key.customer_id] = (last, known[last])
        return found

    async def _people(self, merchant_id: UUID, lasts: Set[UUID]) -> dict[UUID, list[UUID]]:
        """By who stands for them, all who are one person."""
        wanted = {"merged_into": {"$in": list(lasts)}}
        found = await self._transaction.find(WALLETS, {merchant_id: wanted})
        merged = {each["customer_id"]: each["merged_into"] for each in found}
        for key, held in self._wallets.items():
            if key.merchant_id == merchant_id:
                merged[key.customer_id] = held.stand_in.kept_id
        people = {each: [each] for each in lasts}
        for customer_id, kept in merged.items():
            if kept in people:
                people[kept].append(customer_id)
        return people

    async def _own(self, key: WalletKey) -> list[UUID]:
        """All who are one person with the member by now."""
        ((last, _),) = (await self._look(key.merchant_id, [key.customer_id])).values()
        people = await self._people(key.merchant_id, {last.customer_id})
        return people[last.customer_id]

    async def lots(self, key: WalletKey, after: Share | None, limit: int) -> Sequence[Share]:
        ((last, _),) = (await self._look(key.merchant_id, [key.customer_id])).values()
        condition: dict[str, Any] = {"customer_id": last.customer_id}
        if after is not None:
            condition["$or"] = _following(_sorted_lot(after))
        most = limit + len(self._put[last])
        found = await self._transaction.find(
            LOTS, {key.merchant_id: condition}, sort=_SPENDING_ORDER, limit=most
        )
        lots = self._as_put(last, map(read_lot, found))
        if after is not None:
            lots = [each for each in lots if spending_order(each) > spending_order(after)]
        return sorted(lots, key=spending_order)[:limit]

    def _as_put(self, key: WalletKey, stored: Iterable[Share]) -> list[Share]:
        """Lots as this transaction leaves them."""
        lots = {share.lot.lot_id: share for share in stored} | self._put[key]
        return [share for share in lots.values() if share.points]

    async def ageing(
        self, merchant_id: UUID, customers: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[Ageing]]:
        return await self._ageing_of(merchant_id, await self._look(merchant_id, customers))

    async def _ageing_of(
        self, merchant_id: UUID, members: Mapping[UUID, tuple[WalletKey, Held]]
    ) -> dict[UUID, list[Ageing]]:
        stored: dict[UUID, list[Share]] = defaultdict(list)
        asked = list({last.customer_id for last, _ in members.values()})
        condition = {"customer_id": {"$in": asked}, **_WHO_AGES}
        for each in await self._transaction.find(LOTS, {merchant_id: condition}):
            stored[each["customer_id"]].append(read_lot(each))
        lots = {
            last: [share for share in self._as_put(last, stored[last.customer_id]) if ages(share)]
            for last, _ in members.values()
        }
        return {
            customer_id: [
                Ageing(points, lot.life, max(lot.opened_at, held.active_at or lot.opened_at))
                for lot, points in lots[last]
            ]
            for customer_id, (last, held) in members.items()
            if lots[last]
        }

    async def take_ageing(self, at: datetime, limit: int) -> Sequence[AgeingWallet]:
        due = {"look_at": {"$lte": ticks(at)}}
        found = await self._transaction.sweep(AGEING, due, sort=(("look_at", 1),), limit=limit)
        keys = [WalletKey(each["merchant_id"], each["customer_id"]) for each in found]
        names = {_lock(key): key for key in keys}
        free = {names[each] for each in await self._transaction.lock_free(names)}
        await self._know_ageing(free)
        # Once more: somebody may have looked at some in between.
        still = [key for key in keys if key in free and (looked := self._ageing[key]) is not None
                 and looked[0] <= at]  # fmt: skip
        await self._hold(still)
        await self._know_lots(still)
        return [
            AgeingWallet(
                key,
                held.wallet,
                held.version,
                tuple(sorted(self._lots[key].values(), key=spending_order)),
                held.active_at,
                looked[1],
            )
            for key in still
            if (looked := self._ageing[key]) is not None and (held := self._wallets[key])
        ]

    async def look_again(self, at: datetime, looks: Mapping[WalletKey, datetime | None]) -> None:
        for key, due_at in looks.items():
            self._put_ageing(key, None if due_at is None else (due_at, at))

    def _put_ageing(self, key: WalletKey, looked: Looked | None) -> None:
        self._ageing[key] = looked
        if looked is None:
            self._transaction.remove(AGEING, key._asdict())
        else:
            look_at, looked_at = map(ticks, looked)
            document = key._asdict() | {"look_at": look_at, "looked_at": looked_at}
            self._transaction.put(AGEING, document)

    async def _know_ageing(self, keys: Iterable[WalletKey]) -> None:
        new = set(keys) - self._ageing.keys()
        self._ageing |= dict.fromkeys(new)
        for each in await self._transaction.find(AGEING, in_shops(new, "customer_id")):
            key = WalletKey(each["merchant_id"], each["customer_id"])
            self._ageing[key] = (instant(each["look_at"]), instant(each["looked_at"]))

    async def _know_lots(self, keys: Iterable[WalletKey]) -> None:
        """All open lots of wallets that are held."""
        new = set(keys) - self._known_lots
        self._known_lots |= new
        for each in await self._transaction.find(LOTS, in_shops(new, "customer_id")):
            share = read_lot(each)
            key = WalletKey(each["merchant_id"], each["customer_id"])
            if share.lot.lot_id not in self._put[key]:
                self._lots[key][share.lot.lot_id] = share

    def _put_lots(self, key: WalletKey, changed: Iterable[Share]) -> None:
        for share in changed:
            lot_id = share.lot.lot_id
            self._put[key][lot_id] = share
            if share.points:
                self._lots[key][lot_id] = share
                self._transaction.put(LOTS, key._asdict() | _sorted_lot(share))
            else:
                self._lots[key].pop(lot_id, None)
                self._transaction.remove(LOTS, key._asdict() | {"lot_id": lot_id})


def ages(share: Share) -> bool:
    return share.lot.life != FOREVER


def _lock(key: WalletKey) -> LockName:
    return LockName(WALLET, key.merchant_id, str(key.customer_id))


def _kept(key: WalletKey, known: Mapping[WalletKey, Held]) -> WalletKey:
    kept = known[key].stand_in.kept_id
    return key if kept is None else key._replace(customer_id=kept)


def _sorted_lot(share: Share) -> Document:
    """A lot with what ``spending_order`` sorts it by."""
    document = lot_document(share)
    return document | {"spent_by": document["expires_at"] or _NEVER}


def _following(lot: Document) -> list[Document]:
    """The conditions of which one holds for every lot that is spent after this one."""
    conditions: list[Document] = []
    same: Document = {}
    for name, _ in _SPENDING_ORDER:
        conditions.append(same | {name: {"$gt": lot[name]}})
        same = same | {name: lot[name]}
    return conditions
