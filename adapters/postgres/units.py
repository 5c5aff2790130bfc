"""``ports.unit.Units`` on PostgreSQL: a transaction with its stores, journal and outbox."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from adapters.nats.relay import Relay
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.journal import PostgresJournal
from adapters.postgres.moves import entering
from adapters.postgres.outbox import write_outbox
from adapters.postgres.tenancy import ACROSS_SHOPS, of_shops
from adapters.telemetry.tracing import current_traceparent
from ports.clock import Clock
from ports.events import Said
from ports.ids import Ids
from ports.tenancy import shops_at_hand
from ports.unit import Unit, Units

StoresT = TypeVar("StoresT")


def postgres_units(
    database: Database,
    relay: Relay,
    stores: Callable[[Connection], StoresT],
    clock: Clock,
    ids: Ids,
    *,
    input_keys: Sequence[bytes],
    across_shops: bool = False,
) -> Units[StoresT]:
    """``stores`` builds the service's stores on the connection of a transaction. It sees the shops
    at hand (``ports.tenancy``), or with ``across_shops`` all of them. ``input_keys`` hide what
    idempotency keys were used for: the first makes, all recognise.

    Opening one raises LookupError when no shop is at hand; working in one raises ShopMoving when a
    shop of it lives elsewhere.
    """

    @asynccontextmanager
    async def open_unit() -> AsyncIterator[Unit[StoresT]]:
        scope = ACROSS_SHOPS if across_shops else of_shops(shops_at_hand())
        scope = entering(database.service, scope, across_shops=across_shops)
        async with database.transaction(scope) as connection:
            journal = PostgresJournal(connection, clock.now(), input_keys)
            unit = Unit(stores(connection), journal, clock, ids)
            yield unit
            if not unit.outgoing:
                return
            for event in unit.outgoing:
                event.trace = event.trace or current_traceparent()
            said = Said(ids.new(), clock.now(), tuple(unit.outgoing))
            await write_outbox(connection, said)
        relay.soon(said)

    def units() -> AbstractAsyncContextManager[Unit[StoresT]]:
        return open_unit()

    return units
