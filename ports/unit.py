"""One transaction of one service: its stores, and the events it will say if it commits."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from contracts.kit import Body, Event
from ports.clock import Clock
from ports.events import Outgoing, Received
from ports.ids import Ids

StoresT = TypeVar("StoresT")
_encode = msgspec.json.Encoder().encode


class Journal(Protocol):
    """What a service remembers of what it has done, in the same transaction as the doing."""

    async def claim(self, consumer: str, event_ids: Sequence[str]) -> set[str]:
        """Mark events as applied by ``consumer``; returns those that were not before."""
        ...

    async def claim_key(
        self, merchant_id: UUID, operation: str, key: str, request: bytes
    ) -> bytes | None:
        """Take an idempotency key for ``request``, of which nothing is kept by which it could be
        guessed. None: it is new, go on, then ``keep_answer``. Otherwise the answer that was given
        before.

        Waits for a transaction that holds the same key. Raises DuplicateRequest when the key was
        used with another input.
        """
        ...

    async def keep_answer(self, merchant_id: UUID, operation: str, key: str, answer: bytes) -> None:
        """Store what a repeat with the same key will be answered."""
        ...


class Unit(Generic[StoresT]):
    """What a use case works in. Leaving the block without an error commits everything, an error
    leaves nothing: neither state nor events."""

    __slots__ = ("_clock", "_ids", "actor", "given_up", "journal", "outgoing", "stores")

    def __init__(self, stores: StoresT, journal: Journal, clock: Clock, ids: Ids) -> None:
        self.stores = stores
        self.journal = journal
        self.actor = ""
        """For whom this is done (``Caller.name``); empty when a service acts by itself. It goes
        with every event, so that the audit log can name a person."""
        self.outgoing: list[Outgoing] = []
        self.given_up: dict[str, str] = {}
        self._clock = clock
        self._ids = ids

    def now(self) -> datetime:
        return self._clock.now()

    def new_id(self) -> UUID:
        return self._ids.new()

    def emit(
        self,
        event: Event[Body],
        body: Body,
        merchant_id: UUID,
        *,
        cause: Received[Body] | None = None,
    ) -> None:
        """Say that ``body`` happened in this shop, because of ``cause`` where there is one.

        Raises TypeError if the body is not what the event declares.
        """
        if type(body) is not event.body:
            raise TypeError(
                f"{event.name} carries {event.body.__name__}, not {type(body).__name__}"
            )
        self.outgoing.append(
            Outgoing(
                id=self._ids.text(),
                subject=event.subject(merchant_id),
                payload=_encode(body),
                at=self._clock.now(),
                trace=cause.trace if cause is not None else "",
                actor=self.actor,
            )
        )

    def give_up(self, event: Received[Body], reason: str) -> None:
        """Commit, and put ``event`` aside as a dead letter with ``reason``, free of personal data.

        Should the process die between the two, the event comes again: only a consumer without
        an inbox, whose own rows say what is done, may give up.
        """
        self.given_up[event.id] = reason


Units = Callable[[], AbstractAsyncContextManager[Unit[StoresT]]]
"""Opens transactions: ``async with units() as unit``."""
