"""What the gateway makes of a declaration: path, query and body become one request."""

import dataclasses
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar import Request as HttpRequest
from litestar.testing import AsyncTestClient

from adapters.http.operations import mount
from adapters.http.problems import HANDLERS
from adapters.http.source import Sources
from contracts.caller import ANYONE, Audience, Caller
from contracts.kit import PUBLIC, Idempotency, Operation, Request, Response, get, put


class Change(Request, frozen=True, kw_only=True):
    thing_id: str
    size: int
    tags: tuple[str, ...] = ()


class Changed(Response, frozen=True, kw_only=True):
    pass


CHANGE = Operation(
    "things.v1.Change", Change, Changed, permission=PUBLIC, summary="",
    http=put("/things/{thing_id:str}"), idempotency=Idempotency.NATURAL,
)  # fmt: skip
FIND = Operation(
    "things.v1.Find", Change, Changed, permission=PUBLIC, summary="",
    http=get("/things/{thing_id:str}"),
)  # fmt: skip


class Recorder:
    """A mesh that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.callers: list[Caller] = []

    async def call_raw(
        self, name: str, payload: bytes, caller: Caller, *, idempotency_key: str, deadline: float
    ) -> bytes:
        self.asked.append((name, msgspec.json.decode(payload), idempotency_key))
        self.callers.append(caller)
        return b"{}"


async def anyone(_: str) -> Caller:
    return ANYONE


def nowhere(_: object) -> str:
    return ""


@pytest.fixture
def mesh() -> Recorder:
    return Recorder()


@pytest.fixture
def client(mesh: Recorder) -> AsyncTestClient[Litestar]:
    routes = [mount(operation, mesh, anyone, nowhere, 1000) for operation in (CHANGE, FIND)]
    return AsyncTestClient(Litestar(routes, exception_handlers=HANDLERS, openapi_config=None))


async def test_the_path_is_part_of_the_request(
    client: AsyncTestClient[Litestar], mesh: Recorder
) -> None:
    async with client:
        headers = {"Idempotency-Key": "k"}
        await client.put("/things/t1", json={"size": 3, "thing_id": "another"}, headers=headers)
        await client.get("/things/t2", params={"size": "4", "tags": ["a", "b"]})
    assert mesh.asked == [
        ("things.v1.Change", {"thing_id": "t1", "size": 3}, "k"),
        ("things.v1.Find", {"thing_id": "t2", "size": 4, "tags": ["a", "b"]}, ""),
    ]


@pytest.mark.parametrize("body", [b"[]", b"{nonsense", b"3"])
async def test_a_body_that_is_no_object_is_refused(
    client: AsyncTestClient[Litestar], mesh: Recorder, body: bytes
) -> None:
    async with client:
        answer = await client.put("/things/t1", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert mesh.asked == []


async def test_every_bad_parameter_is_told(client: AsyncTestClient[Litestar]) -> None:
    async with client:
        answer = await client.get("/things/t2", params={"size": "x", "colour": "red"})
    assert {each["pointer"] for each in answer.json()["errors"]} == {"/size", "/colour"}


async def test_a_body_that_is_too_large_is_refused(client: AsyncTestClient[Litestar]) -> None:
    async with client:
        answer = await client.put("/things/t1", content=b" " * 2000)
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


def request_from(address: str, *forwarded: str) -> HttpRequest[Any, Any, Any]:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    scope: Any = {"type": "http", "client": (address, 50_000), "headers": headers}
    return HttpRequest(scope)


def test_a_source_is_a_connection_and_not_an_address() -> None:
    of = Sources(b"k" * 32, 0).of
    one = of(request_from("203.0.113.7"))
    assert len(one) == 32
    assert of(request_from("203.0.113.7", "198.51.100.1")) == one
    assert of(request_from("::ffff:203.0.113.7")) == one
    assert of(request_from("203.0.113.8")) != one
    assert Sources(b"l" * 32, 0).of(request_from("203.0.113.7")) != one
    six = of(request_from("2001:db8:1:2::1"))
    assert of(request_from("2001:db8:1:2:ffff::9")) == six
    assert of(request_from("2001:db8:1:3::1")) != six
    assert of(request_from("testclient")) == ""


def test_what_stands_before_our_own_web_servers_is_not_believed() -> None:
    plain, behind = Sources(b"k" * 32, 0).of, Sources(b"k" * 32, 1).of
    real = plain(request_from("203.0.113.7"))
    assert behind(request_from("10.0.0.2", "203.0.113.7")) == real
    assert behind(request_from("10.0.0.2", "1.1.1.1, 203.0.113.7")) == real
    assert behind(request_from("10.0.0.2", "1.1.1.1", "203.0.113.7")) == real
    assert Sources(b"k" * 32, 2).of(request_from("10.0.0.2", "203.0.113.7, 10.0.0.1")) == real
    assert behind(request_from("10.0.0.2")) == ""
    assert Sources(b"k" * 32, 2).of(request_from("10.0.0.2", "203.0.113.7")) == ""


async def test_only_calls_without_a_token_say_where_they_come_from(mesh: Recorder) -> None:
    async def somebody(_: str) -> Caller:
        return Caller(audience=Audience.MERCHANT, actor="a", permissions=("points:read",))

    known = dataclasses.replace(FIND, http=get("/known/{thing_id:str}"), permission="points:read")
    routes = [mount(each, mesh, somebody, lambda _: "there", 1000) for each in (FIND, known)]
    app = Litestar(routes, exception_handlers=HANDLERS, openapi_config=None)
    async with AsyncTestClient(app) as client:
        await client.get("/things/t2", params={"size": "4"})
        await client.get("/known/t2", params={"size": "4"})
    assert [each.source for each in mesh.callers] == ["there", ""]
