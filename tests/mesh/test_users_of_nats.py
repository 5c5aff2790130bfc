"""The whole mesh with each service in a process of its own, which may do over NATS only what it
does: everything works, and nobody runs into the wall."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio

from adapters.nats.connection import MESSAGE_ID
from adapters.runtime.host import Process
from contracts import keys
from contracts.caller import service_caller
from domain.errors import DeadlineExceeded, Kind, LoyaltyError
from infra.embedded.nats import NatsServer
from infra.embedded.servers import Servers
from services import SERVICES
from tests.conftest import Run, eventually
from tests.contracts.pacts import pacts
from tests.mesh.edge import SHOP, Edge, shopify_order
from tests.mesh.said import register, world_of
from tests.mesh.test_graphql import MEMBERS, Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

WALL = "NATS does not let"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(run: Run, servers: Servers) -> AsyncIterator[dict[str, Process]]:
    nats = servers["nats"]
    assert isinstance(nats, NatsServer)
    async with AsyncExitStack() as running:
        yield {
            name: await running.enter_async_context(run(name, nats_url=nats.url_of(name)))
            for name in reversed(SERVICES)  # the gateway last: it asks auth first of all
        }


async def test_orders_become_points_and_are_seen(
    mesh: dict[str, Process], caplog: pytest.LogCaptureFixture
) -> None:
    edge = Edge(mesh["api_gateway"])
    edge_of_auth = Edge(mesh["auth"])
    token = await edge_of_auth.token()
    customer = int(uuid4().int % 10**9)
    order = shopify_order(customer, customer)
    assert (await edge.deliver("orders/create", order)).status_code == 200

    async def balance() -> int:
        found = await edge.get("/v1/api/points/balance", token, shopify_customer_id=str(customer))
        return int(found.json().get("spendable", 0))

    await eventually(balance, lambda points: points > 0)
    for path in (
        "/v1/api/core/members", "/v1/api/users", "/v1/api/roles", "/v1/api/audit",
        "/v1/api/core/settings", "/v1/api/tasks", "/v1/api/products", "/",
    ):  # fmt: skip
        assert (await edge.get(path, token)).status_code == 200, path
    found = await Client(edge, token).ask(MEMBERS, page={})
    assert "errors" not in found
    assert WALL not in caplog.text
    for each in (edge, edge_of_auth):
        await each.http.aclose()


async def test_every_call_that_a_service_relies_on_reaches_the_other(
    mesh: dict[str, Process], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    merchant = await register(mesh["auth"])
    asked, unheard = 0, []
    for name, pact in pacts().items():
        for call in pact.calls:
            caller = service_caller(name, merchant.merchant_id)
            payload = msgspec.json.encode(call.request)
            try:
                await world_of(mesh[name]).mesh.call_raw(
                    call.operation.name, payload, caller, idempotency_key=str(uuid4()), deadline=5
                )
            except LoyaltyError as error:
                if error.kind in (Kind.UNAVAILABLE, Kind.INTERNAL, Kind.TIMEOUT):
                    unheard.append((name, call.operation.name, error.code))
            asked += 1
    assert unheard == []
    assert asked > 10
    assert WALL not in caplog.text


async def test_a_service_that_does_not_know_its_place_is_told_in_the_log(
    mesh: dict[str, Process], caplog: pytest.LogCaptureFixture
) -> None:
    """As somebody would who broke into it: with its connection, and its secret for signing."""
    frontend = world_of(mesh["frontend"])
    merchant = await register(mesh["auth"])
    rotate = keys.RotateMerchantKey(shop_domain=merchant.shop_domain)
    with pytest.raises(DeadlineExceeded):
        await frontend.mesh.call(
            keys.ROTATE_MERCHANT_KEY,
            rotate,
            service_caller("auth"),
            idempotency_key="mine",
            deadline=0.3,
        )
    assert "NATS does not let frontend do that" in caplog.text
    with pytest.raises(LoyaltyError):
        await frontend.publisher.publish(
            f"evt.settings.updated.{merchant.merchant_id}", b"{}", {MESSAGE_ID: str(uuid4())}, 0.3
        )
    assert SHOP not in caplog.text
