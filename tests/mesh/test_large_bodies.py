"""Ten megabytes for whoever wants them: refused on every path, as soon as that is known."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import pytest
import pytest_asyncio
from websockets import ConnectionClosed

from adapters.http.install import BEGIN
from adapters.http.stream import MOST_SAID
from contracts.registry import REGISTRY
from tests.conftest import Run
from tests.mesh.edge import Edge

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGE: Final = 10 * 1024 * 1024
PIECE: Final = b"x" * 65_536
_OF_A_REQUEST: Final = 100_000
_OF_A_WEBHOOK: Final = 200_000
_MORE: Final = 4 * len(PIECE)
"""May be on its way before the answer is here."""
WITH_BODY: Final = sorted(
    {
        (operation.http.method, operation.http.path)
        for operation in REGISTRY.operations.values()
        if operation.http is not None and operation.http.method != "GET"
    }
)
WITHOUT: Final = (
    ("GET", "/health"),
    ("GET", "/v1/api/points/balance"),
    ("GET", "/docs"),
    ("GET", "/schema"),
    ("GET", BEGIN),
    ("GET", "/proxy/token"),
    ("GET", "/nothing"),
    ("POST", "/nothing"),
    ("PUT", "/health"),
    ("OPTIONS", "/v1/api/points/adjust"),
    ("DELETE", "/graphql"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(run: Run) -> AsyncIterator[Edge]:
    async with run(
        "api_gateway", "auth", "roles", rate_limit_percent="5000", address_at_once="100",
        body_max_bytes=str(_OF_A_REQUEST), webhook_max_bytes=str(_OF_A_WEBHOOK),
    ) as process:  # fmt: skip
        one = Edge(process)
        yield one
        await one.http.aclose()


class Sent:
    """What came back on a connection of its own, and how much was sent until then."""

    def __init__(self, answer: bytes, size: int) -> None:
        self.status = int(answer.split(b" ", 2)[1]) if answer else 0
        self.size = size
        self.code = ""
        with suppress(ValueError):
            self.code = json.loads(answer.partition(b"\r\n\r\n")[2]).get("code", "")


async def send(edge: Edge, method: str, path: str, *, token: str = "", announced: bool) -> Sent:
    """Ten megabytes, their length announced or in pieces, until somebody answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.http.base_url.port)
    length = f"Content-Length: {LARGE}" if announced else "Transfer-Encoding: chunked"
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nIdempotency-Key: k\r\n{length}\r\n\r\n".encode()
    )
    answer = asyncio.create_task(reader.read(65_536))
    size = 0
    try:
        # Whoever goes on sending when all is said may lose what was said: so a look before each.
        await asyncio.wait({answer}, timeout=2 if announced else 0.2)
        while size < LARGE and not answer.done():
            writer.write(PIECE if announced else b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
            await writer.drain()
            size += len(PIECE)
            await asyncio.wait({answer}, timeout=0.2)
        async with asyncio.timeout(5):
            return Sent(await answer, size)
    finally:
        answer.cancel()
        writer.close()


@pytest.mark.parametrize("announced", [True, False])
async def test_no_operation_reads_it(edge: Edge, announced: bool) -> None:
    token = await edge.token()
    answers = await asyncio.gather(
        *(send(edge, method, path, token=token, announced=announced) for method, path in WITH_BODY)
    )
    for (method, path), found in zip(WITH_BODY, answers, strict=True):
        if found.status not in (401, 403):  # not for an owner: refused before there is a body
            assert (found.status, found.code) == (413, "TOO_LARGE"), (method, path)
        assert found.size <= (0 if announced else _OF_A_REQUEST + _MORE), (method, path)
    assert (await edge.get("/health")).status_code == 200


async def test_a_webhook_is_not_read_to_its_end_to_be_checked(edge: Edge) -> None:
    for announced in (True, False):
        found = await send(edge, "POST", "/webhooks/orders/create", announced=announced)
        assert (found.status, found.code) == (413, "TOO_LARGE")
        assert found.size <= (0 if announced else _OF_A_WEBHOOK + _MORE)


@pytest.mark.parametrize("announced", [True, False])
async def test_nor_is_a_query(edge: Edge, announced: bool) -> None:
    token = await edge.token()
    found = await send(edge, "POST", "/graphql", token=token, announced=announced)
    assert (found.status, found.code) == (413, "TOO_LARGE")
    assert found.size <= (0 if announced else _OF_A_REQUEST + _MORE)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("method", "path"), WITHOUT)
async def test_who_takes_no_body_answers_as_without_one(
    edge: Edge, method: str, path: str, announced: bool
) -> None:
    token = await edge.token()
    headers = {"Authorization": f"Bearer {token}"}
    without = await edge.http.request(method, path, headers=headers)
    found = await send(edge, method, path, token=token, announced=announced)
    assert found.status == without.status_code
    assert found.size <= _MORE


async def test_without_a_token_nothing_is_read(edge: Edge) -> None:
    for path in ("/v1/api/points/adjust", "/graphql"):
        for announced in (True, False):
            found = await send(edge, "POST", path, announced=announced)
            assert found.status == 401
            assert found.size <= _MORE


async def test_a_listener_who_talks_is_shown_out(edge: Edge) -> None:
    """Nothing is expected of those who listen, so nobody needs to send much."""
    for said in ("x" * LARGE, b"x" * LARGE, "x" * (MOST_SAID + 1)):
        async with edge.stream(await edge.token()) as socket:
            await socket.recv()
            await socket.send(said)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1009, "TOO_MUCH_SAID")
    assert (await edge.get("/health")).status_code == 200
