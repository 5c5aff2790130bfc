"""A tiny service of real parts, to see what becomes of events whatever goes wrong in between."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
from nats.js import JetStreamContext

from adapters.nats.connection import EVENT_ID, MESSAGE_ID, QuickClient, connect
from adapters.nats.consumer import Consumer, Consumes
from adapters.nats.publisher import Publisher
from adapters.nats.relay import Relay
from adapters.nats.streams import ensure_streams
from adapters.postgres.connection import Connection, text
from adapters.postgres.database import Database
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION
from adapters.postgres.units import postgres_units
from adapters.system import SystemClock, UuidV7
from contracts.kit import Body, Event
from infra.embedded.servers import Servers
from ports.events import Received
from ports.tenancy import within
from ports.unit import Unit, Units


class Said(Body, frozen=True, kw_only=True):
    number: int


HEARD = Event("trap.heard", Said, "trap", "")
ECHOED = Event("trap.echoed", Said, "trap", "")
NOWHERE = Event("trap", Said, "trap", "", prefix="nowhere")  # type: ignore[arg-type]  # that is the trap
"""No stream listens on its subject."""


@dataclass
class Rig:
    """A tiny service: what it hears it writes down in a table and says again."""

    client: QuickClient
    js: JetStreamContext
    publisher: Publisher
    database: Database
    relay: Relay
    units: Units[Connection]
    merchant: UUID

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Unit[Connection]]:
        """A transaction of this rig's own shop, as a call of it would open one."""
        with within((self.merchant,)):
            async with self.units() as unit:
                yield unit

    def consumer(
        self,
        handle: Callable[..., Any] | None = None,
        event: Event[Body] = HEARD,
        backoff: tuple[float, ...] = (0.1, 0.1),
        name: str = "trap",
    ) -> Consumer[Connection]:
        consumes = Consumes((event,), self.units, handle or write_down, name=name, backoff=backoff)
        return Consumer(self.client, self.js, self.publisher, "trap", consumes)

    async def say(self, number: int, message_id: str = "", event_id: str = "") -> None:
        headers = {MESSAGE_ID: message_id or str(uuid4())}
        if event_id:
            headers[EVENT_ID] = event_id
        body = msgspec.json.encode(Said(number=number))
        await self.publisher.publish(HEARD.subject(self.merchant), body, headers)

    async def written(self) -> list[int]:
        async with self.database.transaction(ACROSS_SHOPS) as connection:
            rows = await connection.execute(
                text("SELECT number FROM heard WHERE merchant_id = :m ORDER BY number"),
                {"m": self.merchant},
            )
            return list(rows.scalars())

    async def left_in_outbox(self) -> int:
        async with self.database.transaction(ACROSS_SHOPS) as connection:
            found = await connection.execute(text("SELECT count(*) FROM outbox"))
            return int(found.scalar_one())


async def write_down(unit: Unit[Connection], events: Sequence[Received[Said]]) -> None:
    for event in events:
        if event.body.number < 0:
            raise ValueError("secret-customer@example.com")
        await unit.stores.execute(
            text("INSERT INTO heard (merchant_id, number) VALUES (:m, :n)"),
            {"m": event.merchant_id, "n": event.body.number},
        )
        unit.emit(ECHOED, event.body, event.merchant_id, cause=event)


@asynccontextmanager
async def rig_on(servers: Servers) -> AsyncIterator[Rig]:
    settings = servers.environment()
    client = await connect(settings["LOYALNEST_NATS_URL"], "test")
    publisher = Publisher(client)
    await publisher.start()
    js = client.jetstream(timeout=10)
    await ensure_streams(js)
    database = Database(settings["LOYALNEST_POSTGRES_URL"], "trap")
    await database.make()
    await database.migrate()
    async with database.transaction(MIGRATION) as connection:
        await connection.execute(
            text("CREATE TABLE IF NOT EXISTS heard (merchant_id uuid, number int)")
        )
    await database.migrate()
    relay = Relay(PostgresOutbox(database), publisher, SystemClock())
    relay.start()
    units = postgres_units(
        database, relay, lambda connection: connection, SystemClock(), UuidV7(), input_keys=[b"k"]
    )
    yield Rig(client, js, publisher, database, relay, units, uuid4())
    await relay.stop()
    await database.close()
    await client.close()
