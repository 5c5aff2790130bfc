"""``ports.unit.Units`` on MongoDB: a transaction with its stores, journal and outbox."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar
from uuid import UUID

from adapters.mongo.database import MongoDatabase
from adapters.mongo.journal import MongoJournal
from adapters.mongo.outbox import write_outbox
from adapters.mongo.scope import ACROSS_SHOPS, Scope
from adapters.mongo.transaction import Transaction
from adapters.nats.relay import Relay
from adapters.telemetry.tracing import current_traceparent
from ports.clock import Clock
from ports.events import Outgoing, Said
from ports.ids import Ids
from ports.tenancy import shops_at_hand
from ports.unit import Unit, Units

StoresT = TypeVar("StoresT")


def mongo_units(
    database: MongoDatabase,
    relay: Relay,
    stores: Callable[[Transaction], StoresT],
    clock: Clock,
    ids: Ids,
    *,
    input_keys: Sequence[bytes],
    across_shops: bool = False,
) -> Units[StoresT]:
    """As ``adapters.postgres.units.postgres_units``, with the same arguments."""

    @asynccontextmanager
    async def open_unit() -> AsyncIterator[Unit[StoresT]]:
        scope = ACROSS_SHOPS if across_shops else Scope(shops_at_hand())
        said: list[Said] = []
        async with database.transaction(scope, clock) as transaction:
            await transaction.enter()
            journal = MongoJournal(transaction, clock.now(), input_keys)
            unit = Unit(stores(transaction), journal, clock, ids)
            yield unit
            for merchant_id, events in _by_shop(unit.outgoing).items():
                for event in events:
                    event.trace = event.trace or current_traceparent()
                said.append(Said(ids.new(), clock.now(), tuple(events)))
                write_outbox(transaction, merchant_id, said[-1])
        for each in said:
            relay.soon(each)

    def units() -> AbstractAsyncContextManager[Unit[StoresT]]:
        return open_unit()

    return units


def _by_shop(outgoing: Sequence[Outgoing]) -> dict[UUID, list[Outgoing]]:
    """A shop's events are together on its shard; subjects end in the shop."""
    found: dict[UUID, list[Outgoing]] = {}
    for event in outgoing:
        merchant_id = UUID(event.subject.rpartition(".")[2])
        found.setdefault(merchant_id, []).append(event)
    return found
