"""Locks that wait: documents that exist while somebody holds what they name.

A transaction of MongoDB does not wait for another, it fails; and what it reads is as of its
beginning, so it cannot wait in the middle either. Therefore what is changed is locked first, by
inserting one document for each name, before anything about it is read, and the transaction itself
only begins when all is known that it will write. It takes its locks out again as its first
statement: where one of them is gone, somebody has taken it over, and nothing is written
(docs/decisions/0027-mongodb.md).
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from adapters.mongo.client import Session
from adapters.mongo.values import Document
from domain.errors import Unavailable
from ports.clock import Clock

LEASE: Final = timedelta(seconds=10)
"""After this long a lock may be taken over: whoever held it has died, or will find it gone."""
WAIT_SECONDS: Final = 12.0
"""How long to wait for a lock; longer than a lease, so that what a crash left is waited out."""
OUT_OF_TURN_SECONDS: Final = 0.3
"""How long to wait for a lock that comes before one that is held already: whoever has it may be
waiting for ours."""

_POLL: Final = (0.002, 0.02)
_DUPLICATE: Final = 11000


class LockName(NamedTuple):
    """What is locked. They are taken in this order: by kind, shop and name."""

    kind: str
    merchant_id: UUID
    name: str


PRESENCE: Final = "00 presence"
SEALING: Final = "00 sealing"
RESEALING: Final = "01 resealing"
KEY: Final = "02 key"
PROGRAM: Final = "03 program"
MERGES: Final = "04 merges"
MATURING: Final = "05 maturing"
TILL: Final = "06 till"
SALE: Final = "07 sale"
ORDER: Final = "08 order"
REDEMPTION: Final = "09 redemption"
WALLET: Final = "10 wallet"
ACTIVITY: Final = "11 activity"
REWARD: Final = "12 reward"


EVERY_SHOP: Final = UUID(int=0)
"""Of whom a lock is that stands for no single shop."""


class Turns:
    """Who in this process is next for a lock, so that only one of them asks the server for it: a
    thousand who want one wallet wait here, in the order in which they came."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[LockName, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: LockName) -> asyncio.Lock:
        turn = self._turns.get(name)
        if turn is None:
            self._turns[name] = turn = asyncio.Lock()
        return turn


class Locks:
    """What one transaction holds."""

    def __init__(
        self, locks: AsyncCollection[Document], session: Session, turns: Turns, clock: Clock
    ) -> None:
        self._locks = locks
        self._session = session
        self._turns = turns
        self._clock = clock
        self._holder = uuid4()
        self._mine: dict[LockName, asyncio.Lock] = {}  # turns that are ours
        self._held: set[LockName] = set()
        self._last: LockName | None = None

    async def take(self, names: Sequence[LockName]) -> None:
        """Hold these until the transaction ends. Raises Unavailable when that takes too long."""
        wanted = sorted(set(names) - self._held)
        if not wanted:
            return
        in_turn = self._last is None or self._last < wanted[0]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (WAIT_SECONDS if in_turn else OUT_OF_TURN_SECONDS)
        try:
            async with asyncio.timeout_at(deadline):
                for name in wanted:
                    turn = self._turns.of(name)
                    await turn.acquire()
                    self._mine[name] = turn
        except TimeoutError:
            raise _busy() from None
        missing: Sequence[LockName] = wanted
        while missing := await self._insert(missing):
            if not await self._take_over(missing[0]):
                if loop.time() > deadline:
                    raise _busy()
                await asyncio.sleep(random.uniform(*_POLL))  # noqa: S311 - only spreads the load
        self._last = wanted[-1] if self._last is None else max(self._last, wanted[-1])

    async def take_free(self, names: Sequence[LockName]) -> Sequence[LockName]:
        """Hold those of these that nobody else holds now."""
        ours = self._held.intersection(names)
        others = sorted(set(names) - ours)
        wanted = [each for each in others if not self._turns.of(each).locked()]
        if not wanted:
            return sorted(ours)
        for name in wanted:
            turn = self._turns.of(name)
            await turn.acquire()
            self._mine[name] = turn
        now = self._clock.now()
        left_behind = _each(wanted, at={"$lt": now - LEASE})
        await self._locks.delete_many(left_behind, session=self._session)
        taken = set(wanted)
        try:
            await self._locks.insert_many(
                self._documents(wanted, now), ordered=False, session=self._session
            )
        except BulkWriteError as error:
            for failed in error.details["writeErrors"]:
                if failed["code"] != _DUPLICATE:
                    raise
                name = wanted[failed["index"]]
                taken.discard(name)
                self._mine.pop(name).release()
        self._held |= taken
        if taken:
            self._last = max(taken) if self._last is None else max(self._last, *taken)
        return sorted(taken | ours)

    async def _insert(self, names: Sequence[LockName]) -> Sequence[LockName]:
        """Take them in order up to the first that is somebody else's; answers those not taken."""
        try:
            await self._locks.insert_many(
                self._documents(names, self._clock.now()), session=self._session
            )
        except BulkWriteError as error:
            (failed,) = error.details["writeErrors"]
            if failed["code"] != _DUPLICATE:
                raise
            self._held.update(names[: failed["index"]])
            return names[failed["index"] :]
        self._held.update(names)
        return ()

    async def _take_over(self, name: LockName) -> bool:
        """Whether a lock that was somebody's is free now, if need be because its time is over."""
        found = await self._locks.find_one(name._asdict(), session=self._session)
        if found is None:
            return True
        at: datetime = found["at"]
        if self._clock.now() - at < LEASE:
            return False
        await self._locks.delete_one(
            name._asdict() | {"holder": found["holder"]}, session=self._session
        )
        return True

    async def be_present(self, shops: Iterable[UUID]) -> None:
        """Hold something of each of these, so that who moves one can tell that somebody writes
        there; nobody waits for it."""
        absent = set(shops) - {name.merchant_id for name in self._held}
        await self.take([LockName(PRESENCE, shop, str(self._holder)) for shop in absent])

    @property
    def any(self) -> bool:
        return bool(self._held)

    async def give_back(self) -> bool:
        """Take the locks out, as part of the transaction of the session. False: one is gone, and
        what was read under it may be so no longer."""
        gone = await self._locks.delete_many(self._ours(), session=self._session)
        return gone.deleted_count == len(self._held)

    async def drop(self) -> None:
        """Take out whatever was taken, after a failure. Not in the session, whose transaction may
        have failed half-way."""
        if self._mine:
            await self._locks.delete_many(self._ours())

    def end(self) -> None:
        """Let the next ones in this process have their turns."""
        for turn in self._mine.values():
            turn.release()
        self._mine.clear()

    def _documents(self, names: Sequence[LockName], now: datetime) -> list[Document]:
        return [name._asdict() | {"holder": self._holder, "at": now} for name in names]

    def _ours(self) -> Document:
        return _each(self._mine, holder=self._holder)


def _each(names: Iterable[LockName], **more: object) -> Document:
    """The documents of these names, if they are as ``more`` says."""
    named: dict[tuple[UUID, str], list[str]] = {}
    for kind, merchant_id, name in names:
        named.setdefault((merchant_id, kind), []).append(name)
    return {
        "$or": [
            {"merchant_id": merchant_id, "kind": kind, "name": {"$in": each}, **more}
            for (merchant_id, kind), each in named.items()
        ]
    }


def _busy() -> Unavailable:
    return Unavailable("Somebody else is at work on the same; try again.")
