"""``ports.unit.Units`` in memory: one transaction at a time, and a failed one leaves nothing."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from domain.errors import DuplicateRequest
from ports.clock import Clock
from ports.events import Outgoing
from ports.ids import Ids
from ports.unit import Unit

StoresT = TypeVar("StoresT")


@dataclass(slots=True)
class MemoryJournal:
    """``ports.unit.Journal``."""

    applied: set[tuple[str, str]] = field(default_factory=set)
    answers: dict[tuple[UUID, str, str], tuple[bytes, bytes]] = field(default_factory=dict)

    async def claim(self, consumer: str, event_ids: Sequence[str]) -> set[str]:
        fresh = {each for each in event_ids if (consumer, each) not in self.applied}
        self.applied |= {(consumer, each) for each in fresh}
        return fresh

    async def claim_key(
        self, merchant_id: UUID, operation: str, key: str, request: bytes
    ) -> bytes | None:
        known = self.answers.get((merchant_id, operation, key))
        if known is None:
            self.answers[merchant_id, operation, key] = (request, b"")
            return None
        if known[0] != request:
            raise DuplicateRequest
        return known[1]

    async def keep_answer(self, merchant_id: UUID, operation: str, key: str, answer: bytes) -> None:
        request, _ = self.answers[merchant_id, operation, key]
        self.answers[merchant_id, operation, key] = (request, answer)


class MemoryUnits(Generic[StoresT]):
    """Opens transactions on ``stores`` and keeps what they said in ``said``."""

    def __init__(self, stores: Callable[[], StoresT], clock: Clock, ids: Ids) -> None:
        self.stores = stores()
        self.journal = MemoryJournal()
        self.said: list[Outgoing] = []
        self._clock = clock
        self._ids = ids
        self._one_at_a_time = asyncio.Lock()

    def __call__(self) -> AbstractAsyncContextManager[Unit[StoresT]]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Unit[StoresT]]:
        async with self._one_at_a_time:
            stores, journal = copy.deepcopy((self.stores, self.journal))
            unit = Unit(stores, journal, self._clock, self._ids)
            yield unit
            self.stores, self.journal = stores, journal
            self.said.extend(unit.outgoing)
