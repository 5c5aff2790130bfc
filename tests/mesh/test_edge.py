"""The edge as Shopify and a stranger see it: every answer, and nothing stored by mistake."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets import ConnectionClosed

from adapters.runtime.host import Process
from adapters.runtime.settings import Settings
from adapters.shopify.signatures import webhook_signature
from adapters.telemetry import tracing
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from tests.conftest import Run, eventually
from tests.mesh.edge import SHOP, Edge, shopify_order


@pytest.fixture
async def edge(run: Run) -> AsyncIterator[Edge]:
    async with run(
        "api_gateway", "auth", "roles", "points",
        webhook_max_bytes="20000", shopify_previous_client_secret="before",
    ) as process:  # fmt: skip
        one = Edge(process)
        yield one
        await one.http.aclose()


async def stored(edge: Edge) -> int:
    return (await edge.world.js.stream_info("WEBHOOKS")).state.messages


async def spendable(edge: Edge, token: str, customer: str) -> int:
    answer = await edge.get("/v1/api/points/balance", token, shopify_customer_id=customer)
    return answer.json()["spendable"] if answer.status_code == 200 else 0


async def test_from_a_signed_order_to_points(edge: Edge) -> None:
    answer = await edge.deliver("orders/create", shopify_order(1001, 71))
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    token = await edge.token()
    assert await eventually(lambda: spendable(edge, token, "71")) == 100
    history = await edge.get("/v1/api/points/history", token, shopify_customer_id="71")
    (entry,) = history.json()["entries"]
    assert (entry["kind"], entry["points"], entry["source_ref"]) == ("earn", 100, "1001")


async def test_a_repeat_is_answered_200_and_does_nothing(edge: Edge) -> None:
    order = shopify_order(1002, 72)
    first = await edge.deliver("orders/create", order, X_Shopify_Webhook_Id="w-1002")
    again = await edge.deliver("orders/create", order, X_Shopify_Webhook_Id="w-1002")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == {"status": "repeated"}
    # The other name of the path is the same door.
    await edge.deliver("orders/paid", order)
    token = await edge.token()
    assert await eventually(lambda: spendable(edge, token, "72")) == 100


async def test_both_secrets_are_good_and_no_other(edge: Edge) -> None:
    raw = json.dumps(shopify_order(1003, None)).encode()
    before = await stored(edge)
    for secret, status in ((b"before", 200), (b"another", 401)):
        signature = webhook_signature(raw, secret)
        answer = await edge.deliver("orders/create", raw, X_Shopify_Hmac_Sha256=signature)
        assert answer.status_code == status
    assert await stored(edge) == before + 1


async def test_a_header_of_shopifys_that_comes_twice_is_none(edge: Edge) -> None:
    raw = json.dumps(shopify_order(1013, None)).encode()
    right = webhook_signature(raw, edge.secret)
    sent = [
        ("X-Shopify-Shop-Domain", SHOP),
        ("X-Shopify-Webhook-Id", "w-1013"),
        ("X-Shopify-Hmac-Sha256", right),
    ]
    before = await stored(edge)
    for more in (
        ("X-Shopify-Hmac-Sha256", "bm9uc2Vuc2U="),
        ("x-shopify-hmac-sha256", right),
        ("X-Shopify-Shop-Domain", "other-store.myshopify.com"),
        ("X-Shopify-Webhook-Id", "w-1014"),
    ):
        for headers in ([*sent, more], [more, *sent]):
            answer = await edge.http.post("/webhooks/orders/create", content=raw, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert await stored(edge) == before
    answer = await edge.http.post("/webhooks/orders/create", content=raw, headers=sent)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("topic", "body", "headers", "status", "code"),
    [
        ("orders/create", b"{}", {"X_Shopify_Hmac_Sha256": ""}, 401, "UNAUTHENTICATED"),
        ("orders/create", b"{nonsense", {}, 400, "MALFORMED_PAYLOAD"),
        ("orders/create", b'{"id": 1}', {}, 400, "MALFORMED_PAYLOAD"),
        ("orders/create", b"[" * 10000, {}, 400, "MALFORMED_PAYLOAD"),
        ("orders/create", b"", {}, 400, "MALFORMED_PAYLOAD"),
        ("inventory_levels/update", b"{}", {}, 404, "NOT_FOUND"),
        ("orders/create", None, {"X_Shopify_Shop_Domain": "other.myshopify.com"}, 404, "NOT_FOUND"),
        ("orders/create", None, {"X_Shopify_Webhook_Id": ""}, 400, "INVALID_REQUEST"),
        ("orders/create", b"x" * 30000, {}, 413, "TOO_LARGE"),
    ],
)  # fmt: skip
async def test_what_is_not_taken_is_told_why(
    edge: Edge, topic: str, body: bytes | None, headers: dict[str, str], status: int, code: str
) -> None:
    before = await stored(edge)
    answer = await edge.deliver(topic, shopify_order(1) if body is None else body, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await stored(edge) == before


async def test_every_topic_of_the_issue_is_taken(edge: Edge) -> None:
    customer = {
        "id": 5,
        "created_at": "2026-11-10T08:09:03-05:00",
        "updated_at": "2026-11-10T08:09:03-05:00",
        "email": "somebody@example.com",
    }
    refund = {
        "id": 9,
        "order_id": 1,
        "created_at": "2026-11-10T08:09:03-05:00",
        "refund_line_items": [],
    }
    shop = {"shop_id": 1, "shop_domain": "demo-store.myshopify.com"}
    named = {"customer": {"id": 5, "email": "somebody@example.com"}}
    bodies = {
        "orders/create": shopify_order(1),
        "orders/paid": shopify_order(1),
        "orders/updated": shopify_order(1),
        "orders/cancelled": shopify_order(1, cancelled_at="2026-11-10T09:09:03-05:00"),
        "refunds/create": refund,
        "customers/create": customer,
        "customers/update": customer,
        "customers/data_request": shop
        | named
        | {"orders_requested": [1], "data_request": {"id": 3}},
        "customers/redact": shop | named | {"orders_to_redact": [1]},
        "shop/redact": shop,
    }
    for topic, body in bodies.items():
        answer = await edge.deliver(topic, body)
        assert answer.status_code == 200, (topic, answer.text)


async def test_no_personal_data_passes_the_edge(edge: Edge) -> None:
    before = (await edge.world.js.stream_info("WEBHOOKS")).state.last_seq
    await edge.deliver("orders/create", shopify_order(1004, 74))
    state = (await edge.world.js.stream_info("WEBHOOKS")).state
    for number in range(before + 1, state.last_seq + 1):
        message = await edge.world.js.get_msg("WEBHOOKS", number)
        assert message.data
        assert b"example.com" not in message.data
        assert b"Some" not in message.data


async def test_no_durability_no_200(tmp_path: Path) -> None:
    async with Servers(tmp_path) as own:
        settings = Settings.from_environment(
            own.environment()
            | {"LOYALNEST_DEMO": "1", "LOYALNEST_HTTP_PORT": str(free_port(set()))}
        )
        process = Process(["api_gateway", "auth"], settings)
        await process.start()
        edge = Edge(process)
        order = shopify_order(1005, None)
        assert (await edge.deliver("orders/create", order)).status_code == 200
        await own.kill("nats")
        await eventually(
            lambda: edge.deliver("orders/create", order, X_Shopify_Webhook_Id="w"),
            lambda answer: answer.status_code == 503 and "retry-after" in answer.headers,
        )
        await own.start("nats")
        await eventually(
            lambda: edge.deliver("orders/create", order, X_Shopify_Webhook_Id="w"),
            lambda answer: answer.status_code == 200,
        )
        await edge.http.aclose()
        await process.stop()


async def test_a_nats_that_has_lost_its_store_is_given_its_streams_again(tmp_path: Path) -> None:
    async with Servers(tmp_path) as own:
        port = str(free_port(set()))
        settings = own.environment() | {"LOYALNEST_DEMO": "1", "LOYALNEST_HTTP_PORT": port}
        process = Process(["api_gateway", "auth"], Settings.from_environment(settings))
        await process.start()
        edge = Edge(process)
        order = shopify_order(1006, None)
        assert (await edge.deliver("orders/create", order)).status_code == 200
        await own.kill("nats")
        shutil.rmtree(own.home.data / "nats")
        await own.start("nats")
        await eventually(
            lambda: edge.deliver("orders/create", order, X_Shopify_Webhook_Id="w"),
            lambda answer: answer.status_code == 200,
        )
        await edge.http.aclose()
        await process.stop()


async def test_tokens_and_permissions(edge: Edge) -> None:
    path = "/v1/api/points/balance"
    assert (await edge.get(path, shopify_customer_id="7")).status_code == 401
    assert (await edge.get(path, "nonsense", shopify_customer_id="7")).status_code == 401
    owner = await edge.token()
    assert (await edge.get(path, owner, shopify_customer_id="nobody")).status_code == 404
    wrong = await edge.get(path, owner, customer_id="not-a-uuid", more="1")
    assert wrong.status_code == 400
    assert {each["pointer"] for each in wrong.json()["errors"]} == {"/customer_id", "/more"}
    body = {"points": 5, "reason": "sorry"}
    known, unknown = str(await edge.member()), str(uuid4())
    for role, who, status in (
        ("viewer", known, 403), ("owner", known, 200), ("owner", unknown, 404),
    ):  # fmt: skip
        answer = await edge.http.post(
            "/v1/api/points/adjust",
            json=body | {"customer_id": who},
            headers={
                "Authorization": f"Bearer {await edge.token(role)}",
                "Idempotency-Key": f"tokens-and-permissions-{who}",
            },
        )
        assert answer.status_code == status, answer.text


async def test_a_member_sees_their_own_account_only(edge: Edge) -> None:
    await edge.deliver("orders/create", shopify_order(1006, 76))
    await edge.deliver("orders/create", shopify_order(1007, 77, subtotal_price="50.00"))
    owner = await edge.token()
    await eventually(lambda: spendable(edge, owner, "77"), lambda points: points == 50)
    await eventually(lambda: spendable(edge, owner, "76"))
    member = await edge.token("customer", "76")
    asked_for_another = await edge.get("/v1/api/points/balance", member, shopify_customer_id="77")
    assert asked_for_another.json()["spendable"] == 100
    assert (await edge.get("/v1/api/users", member)).status_code == 403


async def test_unknown_paths_and_methods(edge: Edge) -> None:
    assert (await edge.get("/nothing/here")).json()["code"] == "NOT_FOUND"
    assert (await edge.http.post("/v1/api/points/balance")).status_code == 405
    assert (await edge.get("/health")).json() == {"status": "healthy"}


async def test_one_trace_from_the_webhook_through_every_consumer(run: Run) -> None:
    exporter = InMemorySpanExporter()
    tracing.enable(exporter, process="test", at_once=True)
    try:
        async with run("api_gateway", "auth", "roles", "points", "rfm", "core") as process:
            edge = Edge(process)
            answer = await edge.deliver("orders/create", shopify_order(1008, 78))
            trace_id = answer.headers["x-trace-id"]

            async def names() -> set[str]:
                return {
                    span.name
                    for span in exporter.get_finished_spans()
                    if f"{span.context.trace_id:032x}" == trace_id
                }

            wanted = {
                "HTTP /webhooks/{topic}",
                "shop.orders.create",
                "points orders.create",
                "rfm orders.create",
                "core rfm.updated",
            }
            await eventually(names, lambda found: wanted <= found)
            await edge.http.aclose()
    finally:
        tracing.disable()


async def test_the_stream_shows_an_order_live_and_only_to_its_shop(edge: Edge) -> None:
    token = await edge.token()
    async with edge.stream(token) as socket:
        assert json.loads(await socket.recv())["event"] == "stream.open"
        await edge.deliver("orders/create", shopify_order(1009, 79))
        message = json.loads(await asyncio.wait_for(socket.recv(), 30))
        assert message["event"] == "points.earned"
        assert (message["data"]["source_ref"], message["data"]["points"]) == ("1009", 100)
    # Whoever comes back gets what has passed meanwhile, and then what happens.
    await edge.deliver("orders/create", shopify_order(1010, 79))
    await eventually(lambda: spendable(edge, token, "79"), lambda points: points == 200)
    async with edge.stream(token, after=message["id"]) as socket:
        assert json.loads(await socket.recv())["data"] == {"resumed": True}
        await edge.deliver("orders/create", shopify_order(1011, 79))
        heard = []
        while "1011" not in heard:
            passed = json.loads(await asyncio.wait_for(socket.recv(), 30))
            assert passed["id"] != message["id"]
            if passed["event"] == "points.earned":
                heard.append(passed["data"]["source_ref"])
        # What passed just before may come once more.
        assert heard[-2:] == ["1010", "1011"]
    for nothing in (uuid4(), "nonsense"):
        async with edge.stream(token, after=nothing) as socket:
            assert json.loads(await socket.recv())["data"] == {"resumed": False}
    async with edge.stream("nonsense") as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4401


async def test_what_comes_at_once_is_each_answered_stored_and_shown_by_itself(edge: Edge) -> None:
    token = await edge.token()
    orders = {
        f"w-{number}": shopify_order(number, 7110 + number % 3) for number in range(1100, 1140)
    }
    async with edge.stream(token) as socket:
        await socket.recv()
        answers = await asyncio.gather(
            *(
                edge.deliver("orders/create", order, X_Shopify_Webhook_Id=each)
                for each, order in [*orders.items(), *orders.items()]
            )
        )
        assert {each.status_code for each in answers} == {200}
        told = [each.json()["status"] for each in answers]
        assert (told.count("accepted"), told.count("repeated")) == (40, 40)
        heard = [json.loads(await asyncio.wait_for(socket.recv(), 30)) for _ in range(40)]
    assert {each["data"]["source_ref"] for each in heard} == {str(n) for n in range(1100, 1140)}
    async with edge.stream(token, after=heard[17]["id"]) as socket:
        assert json.loads(await socket.recv())["data"] == {"resumed": True}
        missing = {each["id"] for each in heard[18:]}
        while missing:  # what passed just before may come once more
            missing.discard(json.loads(await asyncio.wait_for(socket.recv(), 30))["id"])
    balances = [await spendable(edge, token, str(7110 + each)) for each in range(3)]
    assert sum(balances) == 40 * 100
