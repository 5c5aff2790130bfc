"""Saying what shops say, as the edge would, and listening to what the mesh answers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec

from adapters.nats.connection import AT as SAID_AT
from adapters.nats.connection import MESSAGE_ID
from adapters.nats.packs import unpacked
from adapters.runtime.host import Process
from adapters.runtime.world import World
from contracts import auth
from contracts.caller import service_caller
from contracts.kit import Body, Event
from contracts.shop import Order, OrderCustomer, member_id
from ports.mesh import Mesh
from tests.streams import events_in

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def order(merchant: UUID, customer: str = "c1", email_index: str = "", **changes: object) -> Order:
    base = Order(
        order_id="o1",
        number="#1",
        currency="USD",
        test=False,
        source="web",
        financial_status="paid",
        created_at=AT,
        updated_at=AT,
        processed_at=AT,
        subtotal=Decimal("100.00"),
        shipping=Decimal(10),
        tax=Decimal(0),
        total=Decimal(110),
        customer=OrderCustomer(
            customer_id=member_id(merchant, customer),
            shopify_customer_id=customer,
            email_index=email_index,
        ),
    )
    return msgspec.structs.replace(base, **changes)


def mesh_of(process: Process) -> Mesh:
    return world_of(process).mesh


async def register(process: Process, domain: str = "") -> auth.Merchant:
    """A shop that has installed the app; a new one unless ``domain`` names it."""
    request = auth.RegisterMerchant(shop_domain=domain or f"s{uuid4().hex}.myshopify.com")
    return await mesh_of(process).call(auth.REGISTER_MERCHANT, request, service_caller("test"))


async def times_said(process: Process, event: Event[Body], merchant: UUID) -> int:
    """How often the mesh has said ``event`` of this shop so far."""
    js = world_of(process).js
    return len([each async for each in events_in(js, "EVENTS", event.subject(merchant))])


async def say(
    process: Process,
    event: Event[Body],
    body: Body,
    merchant: UUID,
    message_id: str = "",
    at: datetime | None = None,
) -> None:
    headers = {MESSAGE_ID: message_id or str(uuid4())}
    if at is not None:
        headers[SAID_AT] = at.isoformat()
    await world_of(process).publisher.publish(
        event.subject(merchant), msgspec.json.encode(body), headers
    )


async def heard(process: Process, event: Event[Body], merchant: UUID) -> list[Any]:
    """A list that grows with the bodies of this shop's events from now on."""
    bodies: list[Any] = []
    client = world_of(process).client
    decode = msgspec.json.Decoder(event.body).decode

    async def hear(message: Any) -> None:
        bodies.extend(decode(each.payload) for each in unpacked(message))

    await client.subscribe(event.subject(merchant), cb=hear)
    await client.flush()
    return bodies


def world_of(process: Process) -> World:
    assert process.world is not None
    return process.world
