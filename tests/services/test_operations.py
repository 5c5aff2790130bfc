"""What the gateway makes of a declaration: path, query and body become one request."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from adapters.http.operations import mount
from adapters.http.problems import HANDLERS
from contracts.caller import ANYONE, Caller
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

    async def call_raw(
        self, name: str, payload: bytes, caller: Caller, *, idempotency_key: str, deadline: float
    ) -> bytes:
        self.asked.append((name, msgspec.json.decode(payload), idempotency_key))
        return b"{}"


async def anyone(_: str) -> Caller:
    return ANYONE


@pytest.fixture
def mesh() -> Recorder:
    return Recorder()


@pytest.fixture
def client(mesh: Recorder) -> AsyncTestClient[Litestar]:
    routes = [mount(operation, mesh, anyone, 1000) for operation in (CHANGE, FIND)]
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
