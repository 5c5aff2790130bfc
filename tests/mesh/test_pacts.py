"""What services really publish and answer is what their consumers say they rely on."""

import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import jsonschema_rs
import msgspec

from adapters.nats.packs import unpacked
from adapters.runtime.host import Process
from contracts import auth, core, installs, organizations, points, roles, shop
from contracts.caller import service_caller
from contracts.generate.documents import documents
from contracts.generate.operations import schema_file
from contracts.registry import ERRORS, REGISTRY
from contracts.shop import CustomerRecord, member_id
from tests.conftest import Run, eventually
from tests.contracts.pacts import pacts
from tests.keys import key_of
from tests.mesh.people import Shop
from tests.mesh.said import mesh_of, order, register, say, world_of

PUBLISHERS = ("auth", "roles", "users", "core", "points", "rfm", "campaign", "gamification")
ACCESS = installs.GET_SHOPIFY_ACCESS
"""Needs a shop that Shopify knows; tests/mesh/test_installing.py and test_rewards.py have one."""
SAID = {
    "evt.merchant.created",
    "evt.role.created",
    "evt.user.created",
    "evt.settings.updated",
    "evt.customer.created",
    "evt.points.earned",
    "evt.points.adjusted",
    "evt.rfm.updated",
    "evt.vip_tier.assigned",
    "evt.badge.awarded",
    "evt.organization.joined",
    "evt.member.linked",
}
"""What a new shop with one account, one order, one correction and an organisation leads to."""


async def listen(process: Process) -> dict[str, list[bytes]]:
    """The events of all services from now on, by topic."""
    said: dict[str, list[bytes]] = defaultdict(list)

    async def hear(message: Any) -> None:
        topic = message.subject.rpartition(".")[0]
        said[topic].extend(bytes(each.payload) for each in unpacked(message))

    await world_of(process).client.subscribe("evt.>", cb=hear)
    await world_of(process).client.flush()
    return said


async def begin(process: Process, merchant: UUID) -> None:
    """A member of the shop, with an order and a correction."""
    now = datetime.now(UTC)
    one = Shop(process, await key_of(world_of(process), merchant))
    account = CustomerRecord(
        customer_id=member_id(merchant, "c1"),
        shopify_customer_id="c1",
        created_at=now,
        updated_at=now,
        **one.sealed("c1", "ada@x.example", verified=True),
    )
    await say(process, shop.CUSTOMER_CREATED, account, merchant)
    bought = order(merchant, subtotal=Decimal(700), created_at=now, updated_at=now)
    bought = msgspec.structs.replace(bought, processed_at=now)
    await say(process, shop.ORDER_CREATED, bought, merchant)
    await mesh_of(process).call(
        points.ADJUST,
        points.Adjust(customer_id=account.customer_id, points=5, reason="Welcome"),
        service_caller("test", merchant),
        idempotency_key=str(uuid4()),
    )


async def test_what_is_said_and_answered_is_what_is_relied_on(run: Run) -> None:
    async with run(*PUBLISHERS) as process:
        said = await listen(process)
        merchant = await register(process)
        await begin(process, merchant.merchant_id)
        house = await mesh_of(process).call(
            organizations.CREATE_ORGANIZATION,
            organizations.CreateOrganization(name="House"),
            service_caller("test", merchant.merchant_id),
        )

        async def topics() -> set[str]:
            return SAID - said.keys()

        await eventually(topics, lambda missing: not missing)

        found = documents(REGISTRY, ERRORS.values())
        for topic, payloads in said.items():
            schema = found[schema_file(REGISTRY.events[topic].body)]
            validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
            for payload in payloads:
                assert validator.is_valid(json.loads(payload)), (topic, payload)
        read = 0
        for pact in pacts().values():
            for each in pact.reads:
                for event in each.events:
                    for payload in said.get(event.topic, ()):
                        msgspec.json.decode(payload, type=each.part)
                        read += 1
        assert read >= len(SAID)

        known: dict[str, dict[str, object]] = {
            organizations.GET_ORGANIZATION_KEY.name: {
                "organization_id": str(house.organization_id)
            },
            auth.VALIDATE_MERCHANT.name: {"shop_domain": merchant.shop_domain},
            core.GET_CUSTOMER_RFM.name: {"customer_id": str(member_id(merchant.merchant_id, "c1"))},
            roles.GET_PERMISSIONS.name: {"role": "owner"},
        }
        for pact in pacts().values():
            caller = service_caller(pact.consumer, merchant.merchant_id)
            for call in pact.calls:
                if call.operation.service not in PUBLISHERS or call.operation is ACCESS:
                    continue
                request = msgspec.json.encode(known.get(call.operation.name, call.request))
                answer = await world_of(process).mesh.call_raw(
                    call.operation.name, request, caller, deadline=5
                )
                msgspec.json.decode(answer, type=call.part)
