"""``ports.ledger.Ledger`` on MongoDB: what is changed is locked first, read, and put at the end."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.mongo.activities import MongoEarningCounts
from adapters.mongo.chain_documents import unsealed_document
from adapters.mongo.collections import ENTRIES, MATURING, UNSEALED
from adapters.mongo.earning import MongoEarningFacts
from adapters.mongo.ledger_documents import entry_document, read_entry
from adapters.mongo.locks import ACTIVITY, LockName
from adapters.mongo.locks import MATURING as MATURING_LOCK
from adapters.mongo.programs import MongoPrograms
from adapters.mongo.sales import MongoSales
from adapters.mongo.transaction import Transaction, in_shops
from adapters.mongo.values import Document, ticks
from adapters.mongo.wallets import ages
from domain.errors import NotFound
from domain.points.ledger import EntryDraft, Source
from domain.points.lots import Lots, is_activity, touches_lots, undoing
from domain.points.wallet import apply
from ports.ledger import HistoryEntry, NewEntry, OrderKey, PostedEntry, WalletKey

_KEY_FIELDS: Final = ("merchant_id", "source_ref", "source", "rule", "line")
_NEWEST_FIRST: Final = (("_id", -1),)

_Once = tuple[UUID, tuple[str, str, str, str]]
"""What there is once: a shop, and the key of an entry."""


class MongoLedger(MongoPrograms, MongoEarningFacts, MongoSales, MongoEarningCounts):
    def __init__(self, transaction: Transaction) -> None:
        MongoPrograms.__init__(self, transaction)
        MongoEarningFacts.__init__(self, transaction)
        MongoSales.__init__(self, transaction)
        MongoEarningCounts.__init__(self, transaction)
        self._posted: dict[UUID, NewEntry] = {}

    async def post(self, entries: Sequence[NewEntry]) -> Sequence[PostedEntry]:
        if not entries:
            return ()
        await self.lock_wallets({entry.wallet for entry in entries})
        accepted = await self._new(entries)
        undone = await self._undone(accepted)
        touching = {each.wallet for each in accepted if touches_lots(each.draft)}
        await self._know_lots(touching)
        posted = []
        documents: dict[UUID, list[Document]] = defaultdict(list)
        for entry in accepted:
            if entry.draft.undoes is not None:
                draft = undoing(entry.draft, undone[entry.draft.undoes])
                entry = replace(entry, draft=draft)
            posted.append(self._post(entry))
            documents[entry.wallet.merchant_id].append(entry_document(posted[-1].entry))
        for merchant_id, new in documents.items():
            for document in new:
                self._transaction.insert(ENTRIES, document)
            self._transaction.insert(UNSEALED, unsealed_document(merchant_id, new))
        await self._look_in_time([each.entry for each in posted])
        for key in {each.entry.wallet for each in posted}:
            self._put_wallet(key)
        return posted

    async def _new(self, entries: Sequence[NewEntry]) -> list[NewEntry]:
        """Those that are not there yet, each with the wallet it goes to."""
        # Of all keys only these may be told for two members at once, who share no other lock.
        await self._transaction.lock(
            LockName(ACTIVITY, entry.wallet.merchant_id, f"{draft.rule} {draft.source_ref}")
            for entry, draft in ((entry, entry.draft) for entry in entries)
            if draft.source == Source.ACTIVITY
        )
        known = await self._known_keys(entries)
        undone = await self._known_undone(entries)
        accepted = []
        for entry in entries:
            merchant_id, undoes = entry.wallet.merchant_id, entry.draft.undoes
            once = (merchant_id, entry.draft.key)
            if once in known or undoes in undone:
                continue
            known.add(once)
            if undoes is not None:
                undone.add(undoes)
            if entry.draft.source != Source.MERGE:
                entry = replace(entry, wallet=self._last(entry.wallet))
            accepted.append(entry)
        return accepted

    def _post(self, entry: NewEntry) -> PostedEntry:
        key = entry.wallet
        held = self._wallets[key]
        lots = Lots(held.wallet.spendable, self._lots[key].values())
        uses = lots.apply(entry.entry_id, entry.draft, entry.at, entry.life)
        self._put_lots(key, lots.changed.values())
        entry = replace(entry, draft=entry.draft._replace(uses=uses))
        held.wallet = apply(held.wallet, entry.draft)
        held.version += 1
        if is_activity(entry.draft):
            self._was_active(key, entry.at)
        self._posted[entry.entry_id] = entry
        self.has_led_to(entry)
        if entry.matures_at is not None and entry.draft.points > 0:
            self._wait(OrderKey(key.merchant_id, entry.draft.order_id), entry.matures_at)
        return PostedEntry(entry, held.wallet, held.version)

    def _wait(self, key: OrderKey, until: datetime) -> None:
        due = key._asdict() | {"matures_at": ticks(until)}
        # What waits already goes on waiting for the same.
        keep = {"$mergeObjects": [{"$literal": due}, "$$ROOT"]}
        self._transaction.update(MATURING, due, [{"$replaceWith": keep}])

    async def _look_in_time(self, entries: Sequence[NewEntry]) -> None:
        """See to it that wallets are looked at when something in them may be over."""
        looks: dict[WalletKey, list[tuple[datetime, datetime]]] = defaultdict(list)
        for entry in entries:
            if entry.look_at is not None:
                looks[entry.wallet].append((entry.look_at, entry.at))
            if entry.draft.points > 0 and any(map(ages, entry.draft.uses)):
                looks[entry.wallet].append((entry.at, entry.at))  # it may be over already
        if not looks:
            return
        await self._know_ageing(looks)
        for key, found in looks.items():
            known = self._ageing[key]
            looked_at = found[0][1] if known is None else known[1]
            due = min(look_at for look_at, _ in found)
            self._put_ageing(key, (due if known is None else min(due, known[0]), looked_at))

    async def _known_keys(self, entries: Sequence[NewEntry]) -> set[_Once]:
        """The keys of entries that are there already, among those of others like them."""
        references: dict[UUID, set[str]] = defaultdict(set)
        for entry in entries:
            references[entry.wallet.merchant_id].add(entry.draft.source_ref)
        wanted = {shop: {"source_ref": {"$in": list(refs)}} for shop, refs in references.items()}
        known: set[_Once] = {
            (each["merchant_id"], (each["source"], each["source_ref"], each["rule"], each["line"]))
            for each in await self._transaction.find(ENTRIES, wanted, fields=_KEY_FIELDS)
        }
        return known | {(each.wallet.merchant_id, each.draft.key) for each in self._posted.values()}

    async def _known_undone(self, entries: Sequence[NewEntry]) -> set[UUID]:
        """Which of the entries that these would undo are undone already."""
        asked = [
            (entry.wallet.merchant_id, entry.draft.undoes)
            for entry in entries
            if entry.draft.undoes is not None
        ]
        found = await self._transaction.find(ENTRIES, in_shops(asked, "undoes"), fields=["undoes"])
        known = {each["undoes"] for each in found}
        own = {each.draft.undoes for each in self._posted.values()}
        return known | {each for each in own if each is not None}

    async def _undone(self, entries: Sequence[NewEntry]) -> Mapping[UUID, EntryDraft]:
        """The entries that these undo. Raises NotFound for one that is not the member's."""
        asked = [
            (entry.wallet.merchant_id, entry.draft.undoes)
            for entry in entries
            if entry.draft.undoes is not None
        ]
        found: dict[UUID, tuple[WalletKey, EntryDraft]] = {
            entry_id: (each.wallet, each.draft) for entry_id, each in self._posted.items()
        }
        for document in await self._transaction.find(ENTRIES, in_shops(asked, "_id")):
            own = WalletKey(document["merchant_id"], document["customer_id"])
            known = read_entry(document)
            found[known.entry_id] = (own, known.draft)
        undone: dict[UUID, EntryDraft] = {}
        for entry in entries:
            if (undoes := entry.draft.undoes) is None:
                continue
            if undoes not in found:
                raise NotFound("There is no such entry to be undone.")
            own, draft = found[undoes]
            ((last, _),) = (await self._look(own.merchant_id, [own.customer_id])).values()
            if last != entry.wallet:
                raise NotFound("There is no such entry to be undone.")
            undone[undoes] = draft
        return undone

    async def history(
        self, key: WalletKey, before: UUID | None, limit: int
    ) -> Sequence[HistoryEntry]:
        members = await self._own(key)
        condition: dict[str, object] = {"customer_id": {"$in": members}}
        if before is not None:
            condition["_id"] = {"$lt": before}
        found = await self._transaction.find(
            ENTRIES, {key.merchant_id: condition}, sort=_NEWEST_FIRST, limit=limit
        )
        own = [
            HistoryEntry(each.entry_id, each.draft, each.at, each.life)
            for each in self._posted.values()
            if each.wallet.merchant_id == key.merchant_id
            and each.wallet.customer_id in members
            and (before is None or each.entry_id < before)
        ]
        both = [*map(read_entry, found), *own]
        return sorted(both, key=lambda each: each.entry_id, reverse=True)[:limit]

    async def take_matured(self, at: datetime, limit: int) -> Sequence[OrderKey]:
        due = {"matures_at": {"$lte": ticks(at)}}
        found = await self._transaction.sweep(MATURING, due, sort=(("matures_at", 1),), limit=limit)
        keys = [OrderKey(each["merchant_id"], each["order_id"]) for each in found]
        names = {LockName(MATURING_LOCK, *key): key for key in keys}
        free = {names[each] for each in await self._transaction.lock_free(names)}
        # Once more: somebody may have taken some in between.
        still = await self._transaction.find(MATURING, in_shops(free, "order_id"))
        there = {OrderKey(each["merchant_id"], each["order_id"]) for each in still}
        taken = [key for key in keys if key in there]
        for key in taken:
            self._transaction.remove(MATURING, key._asdict())
        return taken
