"""Consumers without an inbox: a repeat under another id and out of order changes and says nothing.

Such a consumer trusts its own rows to tell what is done. So everything that a busy shop says is
said once more, as if every deduplication before had failed, and every table is compared.
"""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec

from adapters.nats.connection import AT as SAID_AT
from adapters.nats.connection import MESSAGE_ID, ONLY_FOR
from adapters.nats.consumer import Consumer
from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from contracts import shop
from contracts.caller import service_caller
from contracts.kit import Body, Event
from contracts.organizations import CREATE_ORGANIZATION, CreateOrganization
from contracts.shop import CustomerRecord, PrivacyRequest, Refund, member_id
from services import SERVICES
from tests.conftest import Run, eventually
from tests.mesh.linking import joined, settled
from tests.mesh.people import Shop, open_shop
from tests.mesh.said import AT, mesh_of, order, world_of
from tests.streams import events_in

UNSEALED = text(
    """
    SELECT (SELECT count(*) FROM points_transactions WHERE merchant_id = :merchant)
        - (SELECT coalesce(sum(count), 0) FROM chain_blocks WHERE merchant_id = :merchant)
    """
)
BY_EVENT_ID = {"admin_core"}
"""Has a row for each event, under its id: of the same under another id it has another row."""
_OF_THE_MESH = {"inbox", "outbox", "answers", "mesh_version", "schema_version"}


def without_inbox(process: Process) -> list[Consumer[Any]]:
    return [
        consumer
        for running in process._running
        for consumer in running.consumers
        if not consumer._consumes.inbox
        and consumer.stream != "TASKS"
        and consumer.name not in BY_EVENT_ID
    ]


def a_busy_shop(one: Shop, chance: random.Random) -> list[tuple[Event[Body], Body]]:
    """Accounts, orders as they change, refunds inside and outside of them, cancellations, and
    somebody who wants to be forgotten."""
    merchant = one.id
    told: list[tuple[Event[Body], Body]] = [
        (
            shop.CUSTOMER_CREATED,
            CustomerRecord(
                customer_id=member_id(merchant, f"c{number}"),
                shopify_customer_id=f"c{number}",
                created_at=AT,
                updated_at=AT + timedelta(minutes=number),
                **one.sealed(f"c{number}", f"{number // 2}@x.example", verified=True),
            ),
        )
        for number in range(8)
    ]
    forgotten = PrivacyRequest(
        request_key="c7", shopify_customer_id="c7", customer_id=member_id(merchant, "c7")
    )
    told.append((shop.CUSTOMER_REDACTED, forgotten))
    for number in range(40):
        refund = Refund(
            refund_id=f"r{number}", order_id=f"o{number}", created_at=AT, merchandise=Decimal(30)
        )
        first = order(
            merchant,
            f"c{chance.randrange(10)}",
            order_id=f"o{number}",
            created_at=AT + timedelta(days=number),
            processed_at=AT + timedelta(days=number),
            updated_at=AT + timedelta(days=number),
            subtotal=Decimal(chance.choice(("19.99", "100", "340.50"))),
            test=chance.random() < 0.1,
        )
        told.append((shop.ORDER_CREATED, first))
        later = {"updated_at": first.updated_at + timedelta(hours=1)}
        match number % 4:
            case 1:
                told.append((shop.REFUND_CREATED, refund))
            case 2:
                changed = msgspec.structs.replace(first, refunds=(refund,), **later)
                told.append((shop.ORDER_UPDATED, changed))
            case 3 if chance.random() < 0.5:
                changed = msgspec.structs.replace(first, cancelled_at=AT, **later)
                told.append((shop.ORDER_CANCELLED, changed))
    return told


async def publish(process: Process, told: Sequence[tuple[str, bytes, str]]) -> None:
    """Say (subject, payload, the one consumer it is for) under new ids."""
    for subject, payload, only_for in told:
        headers = {MESSAGE_ID: str(uuid4()), SAID_AT: AT.isoformat()}
        if only_for:
            headers[ONLY_FOR] = only_for
        await world_of(process).publisher.publish(subject, payload, headers)


async def at_rest(process: Process, merchant: UUID) -> None:
    """Nothing waits, not in a stream, in an outbox or to be sealed, and nothing new was said
    meanwhile."""

    async def waiting() -> str:
        before = await said_of(process, merchant)
        for running in process._running:
            for consumer in running.consumers:
                if lag := await consumer.measure_lag():
                    return f"{lag} for {consumer.name} in {consumer.stream}"
        for service, database in world_of(process).databases.items():
            async with database.transaction(ACROSS_SHOPS) as connection:
                if (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one():
                    return f"the outbox of {service}"
        async with world_of(process).databases["points"].transaction(ACROSS_SHOPS) as connection:
            if (await connection.execute(UNSEALED, {"merchant": merchant})).scalar_one():
                return "entries to be sealed"
        return "" if await said_of(process, merchant) == before else "what was just said"

    await eventually(waiting, lambda still: not still)


async def said_of(process: Process, merchant: UUID) -> dict[str, int]:
    """How many events the stream has of this shop, by subject."""
    return Counter(subject for subject, _ in await mesh_events(process, merchant))


async def mesh_events(process: Process, merchant: UUID) -> list[tuple[str, bytes]]:
    """What the services have said of this shop."""
    return [
        (each.subject, bytes(each.payload))
        for topic in ("*", "*.*")
        async for each in events_in(world_of(process).js, "EVENTS", f"evt.{topic}.{merchant}")
    ]


OF_THE_CALENDAR = {"birthday_days"}
"""Tables that say how far the calendar has come; time moves them, not what is told."""


async def rows_of(process: Process, merchant: UUID) -> dict[str, list[str]]:
    """Every row of this shop in every database."""
    found = {}
    for name, database in world_of(process).databases.items():
        async with database.transaction(ACROSS_SHOPS) as connection:
            tables = await connection.execute(
                text(
                    "SELECT table_name FROM information_schema.columns"
                    " WHERE table_schema = 'public' AND column_name = 'merchant_id'"
                )
            )
            for table in sorted(set(tables.scalars()) - _OF_THE_MESH - OF_THE_CALENDAR):
                rows = await connection.execute(
                    text(f"SELECT CAST(t AS text) FROM {table} t WHERE merchant_id = :m"),
                    {"m": merchant},
                )
                found[f"{name}.{table}"] = sorted(rows.scalars())
    return found


async def test_a_repeat_of_everything_changes_and_says_nothing(run: Run) -> None:
    chance = random.Random(11)
    async with run(*(name for name in SERVICES if name not in ("api_gateway", "frontend"))) as mesh:
        consumers = without_inbox(mesh)
        assert len(consumers) >= 7
        one = await open_shop(mesh)
        merchant = one.id
        house, caller = CreateOrganization(name="House"), service_caller("test", merchant)
        await mesh_of(mesh).call(CREATE_ORGANIZATION, house, caller)
        await joined(one)
        told = [
            (event.subject(merchant), msgspec.json.encode(body), "")
            for event, body in a_busy_shop(one, chance)
        ]
        await publish(mesh, told)
        await at_rest(mesh, merchant)
        await settled(mesh)
        await at_rest(mesh, merchant)
        rows, said = await rows_of(mesh, merchant), await said_of(mesh, merchant)
        assert sum(said.values()) > 100

        heard = [
            (subject, payload, consumer.name)
            for subject, payload in await mesh_events(mesh, merchant)
            for consumer in consumers
            if consumer.stream == "EVENTS" and subject.rpartition(".")[0] in consumer._readers
        ]
        assert len(heard) > 30
        again = told + heard
        chance.shuffle(again)
        await publish(mesh, again)
        await at_rest(mesh, merchant)

        said_by_us = Counter(subject for subject, _, _ in heard)
        assert await said_of(mesh, merchant) == said | {
            subject: said[subject] + times for subject, times in said_by_us.items()
        }
        after = await rows_of(mesh, merchant)
        assert [name for name in rows if rows[name] != after[name]] == []
