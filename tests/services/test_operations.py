"""What the gateway makes of a declaration: path, query and body become one request."""

import dataclasses
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from adapters.http.gate import CallerOf, Gate
from adapters.http.operations import mount
from adapters.http.origins import Origins
from adapters.http.problems import HANDLERS
from adapters.http.source import Source
from contracts.caller import ANYONE, Audience, Caller
from contracts.kit import PUBLIC, Idempotency, Operation, Request, Response, get, put
from domain.errors import NotFound
from domain.limits import Drawn, Level, Rate


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


class Free:
    """Everything is allowed, and nothing is left of it."""

    policies = ("visitor",)
    drawn = Drawn(True, (Level(Rate(1, 1), 0, 1),))


async def free(name: str, rate: Rate | None, caller: Caller, source: str) -> Free:
    return Free()


async def no_shop(_: str) -> UUID:
    raise NotFound


def app(
    mesh: Recorder, *operations: Operation[Request, msgspec.Struct], caller_of: CallerOf = anyone
) -> Litestar:
    gate = Gate(caller_of, free, Origins(no_shop), 1000)
    return Litestar(
        list(mount(operations, mesh, gate)), exception_handlers=HANDLERS, openapi_config=None
    )


@pytest.fixture
def mesh() -> Recorder:
    return Recorder()


@pytest.fixture
def client(mesh: Recorder) -> AsyncTestClient[Litestar]:
    return AsyncTestClient(app(mesh, CHANGE, FIND))


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


async def test_only_calls_without_a_token_say_where_they_come_from(mesh: Recorder) -> None:
    async def somebody(_: str) -> Caller:
        return Caller(audience=Audience.MERCHANT, actor="a", permissions=("points:read",))

    async def from_there(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["source"] = Source("there", None)
        await inner(scope, receive, send)

    known = dataclasses.replace(FIND, http=get("/known/{thing_id:str}"), permission="points:read")
    inner = app(mesh, FIND, known, caller_of=somebody)
    transport = httpx.ASGITransport(from_there)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        await client.get("/things/t2", params={"size": "4"})
        await client.get("/known/t2", params={"size": "4"})
    assert [each.source for each in mesh.callers] == ["there", ""]
