"""``ports.chain`` on MongoDB. What posts an entry queues its digest in the same transaction; what
seals takes the queue, so nothing has to be waited for and nothing can slip in between."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, closing
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from adapters.chain import KeptWallet, by_member
from adapters.mongo.chain_documents import (
    block_after,
    block_document,
    id_of,
    read_block,
    read_unsealed,
    stored_of,
    whole,
)
from adapters.mongo.collections import BLOCKS, CHAIN_SWEEP, ENTRIES, LOTS, UNSEALED, WALLETS
from adapters.mongo.database import Moment, MongoDatabase
from adapters.mongo.locks import EVERY_SHOP, SEALING, LockName
from adapters.mongo.slots import Slots
from adapters.mongo.transaction import Transaction
from adapters.mongo.values import ticks
from domain.points.chain import BLOCK_SIZE, Block, Found, Kept, digest, link
from domain.points.lot_books import KeptLot, Terms
from domain.points.wallet import Wallet
from ports.chain import Sealed

MOMENT_SECONDS: Final = 60.0
"""How long a moment is read from. MongoDB keeps one for five minutes, if not told otherwise
(``minSnapshotHistoryWindowInSeconds``)."""

_LOCK: Final = LockName(SEALING, EVERY_SHOP, "")
_QUEUED_AT_ONCE: Final = 1000
"""Documents of the queue, each with what one transaction posted for one shop."""
_SWEPT_AT_ONCE: Final = 2000
"""Entries. Their digests are made here, and whoever else is in this process waits for that."""
_SWEEP: Final = "entries"
_BY_ID: Final = (("_id", 1),)
_LAST_FIRST: Final = (("number", -1),)

_Fresh = dict[UUID, list[tuple[UUID, bytes]]]
"""By shop, what is to be sealed."""


class MongoChain:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def seal(self, most: int, sealed_at: datetime) -> Sealed | None:
        if not await self._transaction.lock_free([_LOCK]):
            return None
        fresh: _Fresh = defaultdict(list)
        is_more = await self._sweep(fresh)
        is_more |= await self._take_queued(most, fresh)
        blocks, broken = 0, []
        for merchant_id, entries in fresh.items():
            last = await self._last_block(merchant_id)
            if last is not None and not _is_whole(last):
                broken.append(merchant_id)
            entries.sort(key=lambda each: each[0].int)
            for start in range(0, len(entries), BLOCK_SIZE):
                some = entries[start : start + BLOCK_SIZE]
                last = block_after(last, merchant_id, some, ticks(sealed_at))
                self._transaction.insert(BLOCKS, block_document(merchant_id, last))
                blocks += 1
        return Sealed(blocks, sum(map(len, fresh.values())), broken, is_more)

    async def _take_queued(self, most: int, fresh: _Fresh) -> bool:
        """Take about ``most`` entries out of the queue, and tell whether there are more."""
        queued = await self._transaction.sweep(UNSEALED, {}, sort=_BY_ID, limit=_QUEUED_AT_ONCE)
        taken = 0
        for document in queued:
            if taken >= most:
                return True
            entries = read_unsealed(document)
            fresh[document["merchant_id"]] += entries
            self._transaction.remove(UNSEALED, document)
            taken += len(entries)
        return len(queued) == _QUEUED_AT_ONCE

    async def _sweep(self, fresh: _Fresh) -> bool:
        """The next entries from before there was a chain, which nobody has queued; tells whether
        there may be more. No process that queues none can add to them: it knows no ``tx``, and
        MongoDB refuses entries without (``ENTRIES``)."""
        found = await self._transaction.find_of_no_shop(CHAIN_SWEEP, {"name": _SWEEP})
        swept = found[0] if found else {"name": _SWEEP, "after": EVERY_SHOP, "done": False}
        if swept["done"]:
            return False
        entries = await self._transaction.sweep(
            ENTRIES, {"_id": {"$gt": swept["after"]}}, sort=_BY_ID, limit=_SWEPT_AT_ONCE
        )
        for each in entries:
            if "tx" not in each:
                stored = stored_of(each)
                fresh[each["merchant_id"]].append((stored.entry_id, digest(stored.values)))
        done = len(entries) < _SWEPT_AT_ONCE
        after = entries[-1]["_id"] if entries else swept["after"]
        self._transaction.put(CHAIN_SWEEP, {"name": _SWEEP, "after": after, "done": done})
        return not done

    async def _last_block(self, merchant_id: UUID) -> Block | None:
        found = await self._transaction.find(BLOCKS, {merchant_id: {}}, sort=_LAST_FIRST, limit=1)
        return read_block(found[0]) if found else None


def _is_whole(block: Block) -> bool:
    return link(block.prev, block.number, block.sealed_at, block.digests) == block.hash


class MongoChainReader:
    """Reads member after member in one moment and, when that gets old, goes on in another. Where
    every entry is sealed is read once; what is sealed after that counts as waiting.

    Raises Unavailable for a member whose books take longer to read than MongoDB keeps a moment, and
    OSError where the disk is full (``Slots``).
    """

    def __init__(self, database: MongoDatabase, moment_seconds: float = MOMENT_SECONDS) -> None:
        self._database = database
        self._moment_seconds = moment_seconds
        self._slots = Slots()
        self._head = 0

    async def shops(self) -> Sequence[UUID]:
        async with self._database.moment() as moment:
            found = [await moment.shops(each) for each in (WALLETS, ENTRIES, BLOCKS)]
        return sorted(set().union(*found))

    async def blocks(self, merchant_id: UUID) -> AsyncIterator[Block]:
        self._slots, self._head = Slots(), 0
        async with self._database.moment() as moment:
            async for document in moment.find(BLOCKS, merchant_id, sort=(("number", 1),)):
                block = read_block(document)
                self._slots.add(block)
                self._head = max(self._head, block.number)
                yield block

    async def books(self, merchant_id: UUID) -> AsyncIterator[Found | Kept]:
        loop = asyncio.get_running_loop()
        after: UUID | None = None
        is_more = True
        with closing(self._slots):
            while is_more:
                is_more = False
                ends_at = loop.time() + self._moment_seconds
                async with (
                    self._database.moment() as moment,
                    aclosing(self._entries(moment, merchant_id, after)) as entries,
                    aclosing(_wallets(moment, merchant_id, after)) as wallets,
                    aclosing(_lots(moment, merchant_id, after)) as lots,
                    aclosing(by_member(entries, wallets, lots)) as books,
                ):
                    async for told in books:
                        yield told
                        if not isinstance(told, Kept):
                            continue
                        after = max(after or told.customer_id, told.customer_id)
                        if loop.time() > ends_at:
                            is_more = True
                            break
            for slot in self._slots.left():
                yield Found(None, slot, waits=False)

    async def _entries(
        self, moment: Moment, merchant_id: UUID, after: UUID | None
    ) -> AsyncGenerator[Found]:
        is_sweeping = await self._learn_what_waits(moment, merchant_id)
        by = (("customer_id", 1), ("_id", 1))
        async for document in moment.find(ENTRIES, merchant_id, _members(after), sort=by):
            stored = stored_of(document)
            slots = self._slots.take(stored.entry_id)
            for slot in slots:
                yield Found(stored, slot, waits=False)
            if not slots:
                is_old = is_sweeping and "tx" not in document
                waits = is_old or self._slots.waits(stored.entry_id)
                yield Found(stored, None, waits)

    async def _learn_what_waits(self, moment: Moment, merchant_id: UUID) -> bool:
        """At this moment. Tells whether entries from before there was a chain may, too."""
        self._slots.nobody_waits()
        async for document in moment.find(UNSEALED, merchant_id):
            self._slots.wait(entry_id for entry_id, _ in read_unsealed(document))
        async for document in moment.find(BLOCKS, merchant_id, {"number": {"$gt": self._head}}):
            self._slots.wait(read_block(document).entry_ids)
        swept = await moment.find_of_no_shop(CHAIN_SWEEP, {"name": _SWEEP})
        return not any(each["done"] for each in swept)


async def _wallets(
    moment: Moment, merchant_id: UUID, after: UUID | None
) -> AsyncGenerator[KeptWallet]:
    by = (("customer_id", 1),)
    async for each in moment.find(WALLETS, merchant_id, _members(after), sort=by):
        names = ("spendable", "pending", "spent", "expired")
        wallet = Wallet(*(whole(each.get(name)) for name in names))
        yield KeptWallet(id_of(each.get("customer_id")), wallet, whole(each.get("version")))


async def _lots(moment: Moment, merchant_id: UUID, after: UUID | None) -> AsyncGenerator[KeptLot]:
    by = (("customer_id", 1), ("lot_id", 1))
    async for each in moment.find(LOTS, merchant_id, _members(after), sort=by):
        opened_at, expires_at = whole(each.get("opened_at")), each.get("expires_at")
        ends_at = None if expires_at is None else whole(expires_at)
        terms = Terms(opened_at, ends_at, whole(each.get("idle_days")), str(each.get("order_id")))
        customer_id, lot_id = id_of(each.get("customer_id")), id_of(each.get("lot_id"))
        points, left = whole(each.get("points")), whole(each.get("left"))
        yield KeptLot(customer_id, lot_id, points, left, terms)


def _members(after: UUID | None) -> Mapping[str, Any]:
    return {} if after is None else {"customer_id": {"$gt": after}}
