"""What the edge bears: senders that are slow, large, many or confused, and what they are told."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from adapters.http.edge import MOST_ADDRESS_BYTES, MOST_HEADER_BYTES
from adapters.nats.connection import REQUEST
from adapters.nats.server import Endpoint, RpcServer
from adapters.telemetry.logs import JsonFormatter
from adapters.telemetry.metrics import HTTP_REQUESTS
from contracts.core import GET_USAGE, Usage
from contracts.points import GET_BALANCE
from contracts.registry import REGISTRY
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge, shopify_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

BALANCE = "/v1/api/points/balance"
ADJUST = "/v1/api/points/adjust"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(run: Run) -> AsyncIterator[Edge]:
    async with run(
        "api_gateway", "auth", "roles", "points",
        body_seconds="1", address_at_once="20", hsts_seconds="600",
    ) as process:  # fmt: skip
        one = Edge(process)
        yield one
        await one.http.aclose()


async def raw(edge: Edge, *parts: bytes, pause: float = 0.0, patience: float = 5.0) -> bytes:
    """What comes back on a connection of its own until it is closed or nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.http.base_url.port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)  # who sends slowly is what is looked at
        async with asyncio.timeout(patience):
            return await reader.read()
    except TimeoutError:
        return b"(still open)"
    except (ConnectionError, RuntimeError):  # the latter is what uvloop says of it
        return b""  # closed while we were talking
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def body(answer: bytes) -> dict[str, object]:
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert isinstance(found, dict)
    return found


async def test_a_body_that_trickles_is_given_up(edge: Edge) -> None:
    token = await edge.token()

    async def trickle(path: str) -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        return await raw(edge, head.encode(), *[b"x"] * 4, pause=0.3)

    for found in await asyncio.gather(
        *(trickle(path) for path in (ADJUST, "/webhooks/orders/create", "/graphql"))
    ):
        assert (status(found), body(found)["code"]) == (408, "BODY_TOO_SLOW")


async def test_a_body_that_stops_halfway_is_no_fault_of_ours(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    token = await edge.token()

    async def finished() -> float:
        return sum(
            sample.value
            for metric in HTTP_REQUESTS.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["route"] == ADJUST
        )

    before = await finished()
    _, writer = await asyncio.open_connection("127.0.0.1", edge.http.base_url.port)
    writer.write(
        f"POST {ADJUST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{".encode()
    )
    await writer.drain()
    writer.close()
    await eventually(finished, lambda count: count == before + 1)
    assert (await edge.get("/health")).status_code == 200
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_too_much_at_once_from_one_address(edge: Edge) -> None:
    """Bodies that never end keep a place each; others who come from elsewhere have their own."""
    head = b"POST /webhooks/orders/create HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    slow = [asyncio.create_task(raw(edge, head, patience=3)) for _ in range(20)]

    async def refused() -> bool:
        return (await edge.get("/health")).status_code == 429

    await eventually(refused)
    answer = await edge.get(BALANCE)
    assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["retry-after"] == "1"
    assert {status(each) for each in await asyncio.gather(*slow)} == {408}
    assert (await edge.get("/health")).status_code == 200


async def test_headers_and_addresses_are_bounded(edge: Edge) -> None:
    large = await edge.http.get("/health", headers={"X-Large": "x" * MOST_HEADER_BYTES})
    assert (large.status_code, large.json()["code"]) == (431, "HEADERS_TOO_LARGE")
    many = await raw(edge, b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1\r\n" * 200 + b"\r\n")
    assert status(many) == 431
    long = await edge.http.get("/health?" + "x" * MOST_ADDRESS_BYTES)
    assert (long.status_code, long.json()["code"]) == (414, "ADDRESS_TOO_LONG")
    # So much is refused before it is a request.
    endless = await raw(edge, b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n")
    assert status(endless) in (414, 431)


async def test_a_head_that_never_ends_is_given_up(run: Run, monkeypatch) -> None:
    monkeypatch.setattr("adapters.http.server.IDLE_SECONDS", 1)
    async with run("api_gateway", "auth") as process:
        one = Edge(process)
        found = await asyncio.gather(
            raw(one, b"GET /health HTTP/1.1\r\nHost:", patience=4),
            raw(one, b"", patience=4),
            raw(one, b"GET /health HTTP/1.1\r\n", *[b"X-A: 1\r\n"] * 6, pause=0.3, patience=2),
        )
        assert set(found) == {b""}
        await one.http.aclose()


async def test_many_silent_connections_keep_nobody_out(edge: Edge) -> None:
    port = edge.http.base_url.port
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(700)]
    try:
        assert (await edge.get("/health")).status_code == 200
    finally:
        for _, writer in silent:
            writer.close()


async def test_every_answer_is_guarded(edge: Edge) -> None:
    token = await edge.token()
    for answer in (
        await edge.get("/health"),
        await edge.get("/nothing"),
        await edge.get(BALANCE),
        await edge.get(BALANCE, token, shopify_customer_id="7"),
        await edge.deliver("orders/create", b"{}"),
        await edge.http.get("/health", headers={"X-Large": "x" * MOST_HEADER_BYTES}),
    ):
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["strict-transport-security"] == "max-age=600; includeSubDomains"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["server"] == "LoyalNest"
        assert len(headers["x-request-id"]) >= 8


async def test_a_request_has_an_id_its_own_or_ours(edge: Edge) -> None:
    given = await edge.http.get("/health", headers={"X-Request-Id": "shop-job.17:4711"})
    assert given.headers["x-request-id"] == "shop-job.17:4711"
    seen = set()
    for wrong in ("short", "x" * 65, "has space in it", "quote\"and'more", "", "ünïcödé-id"):
        sent = [(b"X-Request-Id", wrong.encode("latin-1"))]
        answer = await edge.http.get("/health", headers=sent)
        assert answer.headers["x-request-id"] != wrong
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == 6


@pytest.mark.parametrize("path", ["/admin/v1/anything", "/admin", "//admin//v1", "/admin/../admin"])
async def test_who_is_not_staff_does_not_learn_of_admin(edge: Edge, path: str) -> None:
    """From this machine it is there, as far as it is; passed on by somebody unknown it is not."""
    port = edge.http.base_url.port
    from_outside = await raw(
        edge,
        f"GET {path} HTTP/1.1\r\nHost: x:{port}\r\nConnection: close\r\n"
        "X-Forwarded-For: 203.0.113.7\r\n\r\n".encode(),
    )
    nowhere = await raw(edge, b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status(from_outside) == 404
    assert body(from_outside) == body(nowhere)


async def test_a_websocket_is_bounded_like_everything_else(edge: Edge) -> None:
    import websockets

    address = str(edge.http.base_url).replace("http", "ws")
    for path, headers, expected in (
        ("/admin/v1/setup/stream", {"X-Forwarded-For": "203.0.113.7"}, 404),
        ("/api/points/stream", {"X-Large": "x" * MOST_HEADER_BYTES}, 431),
    ):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"{address}{path}", additional_headers=headers)
        assert refused.value.response.status_code == expected


async def test_a_fault_says_nothing_and_is_found_by_its_id(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of several at once in its own log line, and only there what it was."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    all_are_there = asyncio.Barrier(5)

    async def fails(name: str, *_: object, **__: object) -> bytes:
        if name == GET_BALANCE.name:
            await all_are_there.wait()
        raise RuntimeError("the password is hunter2")

    token = await edge.token()
    monkeypatch.setattr(edge.world.mesh, "call_raw", fails)
    handler = Lines()
    handler.setFormatter(JsonFormatter("test"))
    logging.getLogger("adapters.http.gate").addHandler(handler)
    try:
        answers = await asyncio.gather(
            *(
                edge.http.get(
                    BALANCE,
                    headers={
                        "Authorization": f"Bearer {token}",
                        "X-Request-Id": f"fault-no-{each}",
                    },
                )
                for each in range(5)
            )
        )
    finally:
        logging.getLogger("adapters.http.gate").removeHandler(handler)
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
        assert "hunter2" not in answer.text + str(answer.headers)
    said = [json.loads(line) for line in lines]
    assert sorted(each["request_id"] for each in said) == [f"fault-no-{each}" for each in range(5)]
    assert all("RuntimeError at" in each["exception"] for each in said)
    assert not any("hunter2" in line for line in lines)


async def test_a_service_that_is_slow_is_waited_for_until_its_deadline(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """504, whether the service gives up in time or says nothing at all."""
    soon = replace(GET_USAGE, deadline=0.3)
    monkeypatch.setitem(cast(dict[str, Any], REGISTRY.operations), soon.name, soon)
    ended = asyncio.Event()

    async def never(*_: object) -> Usage:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async def silent(_: Msg) -> None:
        """Hears, and says nothing."""

    async with run("api_gateway", "auth", "roles") as process:
        one = Edge(process)
        token = await one.token()
        asked = {"query": "{ core { getUsage { plan } } }"}
        slow = RpcServer(one.world.client, "core", [Endpoint(soon, never)], one.world.vouching)
        await slow.start()
        answer = await one.get("/v1/api/core/usage", token)
        assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE_EXCEEDED")
        await asyncio.wait_for(ended.wait(), 30)
        found = (
            await one.http.post(
                "/graphql", json=asked, headers={"Authorization": f"Bearer {token}"}
            )
        ).json()
        assert found["errors"][0]["extensions"] == {"code": "DEADLINE_EXCEEDED", "status": 504}
        await slow.stop()
        subscription = await one.world.client.subscribe(soon.subject, queue="core", cb=silent)
        started = time.monotonic()
        answer = await one.get("/v1/api/core/usage", token)
        assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE_EXCEEDED")
        assert time.monotonic() - started < 2
        await subscription.unsubscribe()
        # Nobody there at all is told from that, and at once.
        answer = await one.get("/v1/api/core/usage", token)
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
        await one.http.aclose()


async def test_the_id_of_a_request_travels_with_its_calls(edge: Edge) -> None:
    heard: list[str] = []

    async def listen(message: Msg) -> None:
        heard.append((message.headers or {}).get(REQUEST, ""))

    subscription = await edge.world.client.subscribe("rpc.points.v1.GetPointsBalance", cb=listen)
    await edge.http.get(
        BALANCE,
        params={"shopify_customer_id": "7"},
        headers={"Authorization": f"Bearer {await edge.token()}", "X-Request-Id": "travels-1"},
    )
    await subscription.unsubscribe()
    assert heard == ["travels-1"]


async def test_staff_networks_are_believed_through_our_own_web_server(run: Run) -> None:
    async with run(
        "api_gateway", "auth",
        trusted_proxies="127.0.0.1", admin_allowed_ips="203.0.113.0/24, 2001:db8::/32",
    ) as process:  # fmt: skip
        one = Edge(process)
        port = one.world.settings.http_port
        assert port
        for address, known in (
            ("203.0.113.7", True),
            ("1.1.1.1, 203.0.113.7", True),
            ("2001:db8::5", True),
            ("203.0.113.7, 1.1.1.1", False),
            ("127.0.0.1", False),
            ("nonsense", False),
        ):
            answer = await one.http.post(
                "/admin/v1/auth/login", headers={"X-Forwarded-For": address}, json={}
            )
            assert (answer.status_code != 404) == known, (address, answer.text)
        await one.http.aclose()


@pytest.mark.parametrize(
    ("method", "path", "expected", "allow"),
    [
        ("POST", BALANCE, 405, "GET, HEAD, OPTIONS"),
        ("DELETE", ADJUST, 405, "POST, OPTIONS"),
        ("HEAD", ADJUST, 405, "POST, OPTIONS"),
        ("BREW", BALANCE, 405, "GET, HEAD, OPTIONS"),
        ("get", BALANCE, 405, "GET, HEAD, OPTIONS"),
        ("TRACE", "/v1/api/tasks", 405, "GET, HEAD, POST, OPTIONS"),
        ("GET", "/webhooks/orders/create", 405, "POST"),
        ("OPTIONS", ADJUST, 204, "POST, OPTIONS"),
        ("PUT", "/health", 405, None),
    ],
)
async def test_methods_a_path_does_not_take(
    edge: Edge, method: str, path: str, expected: int, allow: str | None
) -> None:
    found = await raw(
        edge, f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert status(found) == expected
    head = found.partition(b"\r\n\r\n")[0].decode().lower()
    assert "\r\nallow: " in head
    if allow:
        assert f"\r\nallow: {allow.lower()}" in head
    if expected == 405 and method != "HEAD":
        assert body(found)["code"] == "METHOD_NOT_ALLOWED"


async def test_head_is_get_without_the_body(edge: Edge) -> None:
    await edge.deliver("orders/create", shopify_order(2001, 81))
    token = await edge.token()

    async def known() -> bool:
        return (await edge.get(BALANCE, token, shopify_customer_id="81")).status_code == 200

    await eventually(known)
    answer = await edge.http.head(
        BALANCE,
        params={"shopify_customer_id": "81"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 50
    again = await edge.get(f"{BALANCE}/", token, shopify_customer_id="81")
    assert again.status_code == 200  # a slash at the end changes nothing


DEEP = b'{"customer_id": ' + b"[" * 100_000


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        (DEEP, "application/json", "INVALID_REQUEST"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "application/json", "INVALID_REQUEST"),
        (b'{"points": 1' + b"0" * 5000 + b"}", "application/json", "INVALID_REQUEST"),
        (b'{"points": 1e999999999}', "application/json", "INVALID_REQUEST"),
        (b'{"points": NaN}', "application/json", "INVALID_REQUEST"),
        (b'{"reason": "\xff\xfe"}', "application/json", "INVALID_REQUEST"),
        (b'{"reason": "\\ud800"}', "application/json", "INVALID_REQUEST"),
        (b'\xef\xbb\xbf{"points": 1}', "application/json", "INVALID_REQUEST"),
        (b'{"points": 1, "points": 2}', "application/json", "INVALID_REQUEST"),
        (b"\x00" * 100, "application/json", "INVALID_REQUEST"),
        (b"", "application/json", "INVALID_REQUEST"),
        (b"null", "application/json", "INVALID_REQUEST"),
        (b"points=1", "application/x-www-form-urlencoded", "INVALID_REQUEST"),
        (b"<points/>", "text/xml", "NOT_JSON"),
        (b"{}", "text/plain", "NOT_JSON"),
        (b"--x", "multipart/form-data; boundary=x", "NOT_JSON"),
        (b"{}", "application/merge-patch+json; charset=utf-8", "INVALID_REQUEST"),
    ],
)
async def test_rubbish_is_refused_in_words(
    edge: Edge, content: bytes, content_type: str, expected: str
) -> None:
    answer = await edge.http.post(
        ADJUST,
        content=content,
        headers={
            "Authorization": f"Bearer {await edge.token()}",
            "Content-Type": content_type,
            "Idempotency-Key": "rubbish",
        },
    )
    assert answer.json()["code"] == expected, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.text.lower()
    assert not any(word in told for word in ("traceback", "msgspec", "recursion", ".py", "0x"))


async def test_texts_that_postgres_cannot_hold(edge: Edge) -> None:
    token = await edge.token()
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "nul"}
    named = {"customer_id": str(await edge.member()), "points": 1}
    wrong = await edge.http.post(ADJUST, json=named | {"reason": "a\x00b"}, headers=headers)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/reason")
    wrong = await edge.http.get(f"{BALANCE}?shopify_customer_id=%00", headers=headers)
    assert wrong.status_code == 400
    wrong = await edge.http.get(f"{BALANCE}?shopify_customer_id=%ff%fe", headers=headers)
    assert wrong.status_code in (400, 404)
    odd = [
        (b"Authorization", f"Bearer {token}".encode()),
        (b"Idempotency-Key", "ünï".encode("latin-1")),
    ]
    answer = await edge.http.post(ADJUST, json=named | {"reason": "fine"}, headers=odd)
    assert answer.status_code == 200, answer.text


async def test_compressed_bodies_are_refused(edge: Edge) -> None:
    answer = await edge.http.post(
        ADJUST,
        content=b"\x1f\x8b",
        headers={"Authorization": f"Bearer {await edge.token()}", "Content-Encoding": "gzip"},
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "NOT_JSON")
