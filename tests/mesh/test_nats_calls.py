"""Request and reply over a real NATS server, with every trap of the client that we know of."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from adapters.nats.client import NatsMesh
from adapters.nats.connection import connect
from adapters.nats.server import MAX_RUNNING, Endpoint, RpcServer
from adapters.nats.vouching import Vouching
from contracts.caller import ANYONE, Audience, Caller, service_caller
from contracts.kit import INTERNAL, PUBLIC, Operation, Request, Response
from domain.errors import (
    Busy,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    InvalidRequest,
    Kind,
    LoyaltyError,
    NotFound,
    NotVouchedFor,
    Unauthenticated,
    Unavailable,
)
from infra.embedded.servers import Servers
from tests.conftest import eventually

ME = service_caller("test")
VOUCHING = Vouching([b"a secret of everybody here"])


class Ask(Request, frozen=True, kw_only=True):
    what: str = ""
    number: int = 0


class Say(Response, frozen=True, kw_only=True):
    what: str


ECHO = Operation("trap.v1.Echo", Ask, Say, permission=PUBLIC, summary="", deadline=3)
STAFF = Operation("trap.v1.Staff", Ask, Say, permission="points:adjust", summary="")
INSIDE = Operation("trap.v1.Inside", Ask, Say, permission=INTERNAL, summary="")


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    connected = await connect(servers.environment()["LOYALNEST_NATS_URL"], "test")
    yield connected
    await connected.close()


async def serving(client: Client, handle: Any, operation: Any = ECHO) -> RpcServer:
    server = RpcServer(client, "trap", [Endpoint(operation, handle)], VOUCHING)
    await server.start()
    await client.flush()
    return server


async def test_calls_run_side_by_side_up_to_the_bound(client: Client) -> None:
    arrived = 0
    everybody = asyncio.Event()

    async def handle(_: Caller, ask: Ask, __: str) -> Say:
        nonlocal arrived
        arrived += 1
        if arrived == MAX_RUNNING:
            everybody.set()
        await everybody.wait()
        return Say(what=ask.what)

    server = await serving(client, handle)
    mesh = NatsMesh(client, VOUCHING)
    # Run one after the other they would wait for each other for ever.
    calls = [
        asyncio.create_task(mesh.call(ECHO, Ask(what=str(number)), ME))
        for number in range(MAX_RUNNING - 1)
    ]
    await eventually(lambda: _value(arrived), lambda n: n == MAX_RUNNING - 1)
    last = asyncio.create_task(mesh.call(ECHO, Ask(what="last"), ME))
    refused = asyncio.create_task(mesh.call(ECHO, Ask(what="one too many"), ME))
    answers = await asyncio.gather(*calls, last, refused, return_exceptions=True)
    # The bound is for the process: whichever came after it was full has been told so at once.
    assert sum(isinstance(answer, Busy) for answer in answers) <= 1
    assert {answer.what for answer in answers if isinstance(answer, Say)} >= {"0", "254"}
    await server.stop()


async def _value(number: int) -> int:
    return number


async def test_a_fault_tells_the_caller_nothing(client: Client) -> None:
    async def handle(*_: object) -> Say:
        raise RuntimeError("secret: postgresql://user:password@host")

    server = await serving(client, handle)
    reply = await client.request(ECHO.subject, b"{}", timeout=20, headers=_headers(ECHO, ME))
    assert b"secret" not in reply.data
    assert reply.headers is not None
    assert set(reply.headers) == {"LN-Error"}  # and no header of the request comes back
    with pytest.raises(InternalError):
        await NatsMesh(client, VOUCHING).call(ECHO, Ask(), ME)
    await server.stop()


async def test_an_answer_echoes_no_header(client: Client) -> None:
    async def handle(_: Caller, ask: Ask, __: str) -> Say:
        return Say(what=ask.what)

    server = await serving(client, handle)
    reply = await client.request(ECHO.subject, b"{}", timeout=20, headers=_headers(ECHO, ME))
    assert not reply.headers
    await server.stop()


def _headers(operation: Any, caller: Caller, payload: bytes = b"{}") -> dict[str, str]:
    who = msgspec.json.encode(caller).decode()
    return {"LN-Caller": who, "LN-Signature": VOUCHING.sign(operation.subject, who, "", payload)}


async def test_who_has_nats_but_not_the_secret_is_nobody(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever they make up, copy from another call, or change of one that they saw."""
    done: list[Caller] = []

    async def handle(caller: Caller, ask: Ask, __: str) -> Say:
        done.append(caller)
        return Say(what=ask.what)

    server = await serving(client, handle)
    seen = _headers(ECHO, ME)
    somebody = msgspec.json.encode(service_caller("auth")).decode()
    with pytest.raises(NotVouchedFor):
        await NatsMesh(client, Vouching([b"made up"])).call(ECHO, Ask(), ME)
    for headers, payload in (
        ({"LN-Caller": somebody}, b"{}"),
        ({"LN-Caller": somebody, "LN-Signature": "nonsense"}, b"{}"),
        (seen | {"LN-Caller": somebody}, b"{}"),
        (seen | {"LN-Idempotency-Key": "another"}, b"{}"),
        (seen, b'{"what": "else"}'),
        (_headers(STAFF, ME), b"{}"),
    ):
        reply = await client.request(ECHO.subject, payload, timeout=20, headers=headers)
        assert reply.headers is not None
        assert reply.headers["LN-Error"] == NotVouchedFor.code
    assert done == []
    reply = await client.request(ECHO.subject, b"{}", timeout=20, headers=seen)
    assert not reply.headers
    assert done == [ME]
    assert [each.levelname for each in caplog.records] == ["WARNING"] * 7
    assert "auth" not in caplog.text  # what is made up is not written down
    await server.stop()


async def test_a_refusal_of_a_newer_replica_is_one_all_the_same(client: Client) -> None:
    """Of a kind that this version does not know, it is a fault; a code alone keeps its kind."""
    for kind, known in (("gone", Kind.INTERNAL), ("not_found", Kind.NOT_FOUND)):
        told = {"code": "NEW_REFUSAL", "kind": kind, "detail": "It is so."}

        async def answer(message: Any, told: dict[str, str] = told) -> None:
            raw = msgspec.json.encode(told)
            await client.publish(message.reply, raw, headers={"LN-Error": "NEW_REFUSAL"})

        subscription = await client.subscribe(ECHO.subject, cb=answer)
        with pytest.raises(LoyaltyError) as refused:
            await NatsMesh(client, VOUCHING).call(ECHO, Ask(), ME)
        assert (refused.value.code, refused.value.kind) == ("NEW_REFUSAL", known)
        assert refused.value.detail == "It is so."
        await subscription.unsubscribe()


async def test_a_key_is_signed_as_it_arrives_and_fits_into_a_header(client: Client) -> None:
    async def handle(_: Caller, __: Ask, key: str) -> Say:
        return Say(what=key)

    server = await serving(client, handle)
    mesh = NatsMesh(client, VOUCHING)
    for key in ("plain", " around ", "sch\u00f6n", "\u540d"):
        found = await mesh.call(ECHO, Ask(), ME, idempotency_key=key)
        assert found.what == key.strip()
    for key in ("two\nlines", "\r\nLN-Caller: {}", "\x1f", "\u00a0odd", "a\u2028b", "\ud800", "\0"):
        with pytest.raises(InvalidRequest) as refused:
            await mesh.call(ECHO, Ask(), ME, idempotency_key=key)
        assert [each.pointer for each in refused.value.problems] == ["/Idempotency-Key"]
    await server.stop()


async def test_a_call_may_take_longer_than_the_clients_default(client: Client) -> None:
    async def handle(_: Caller, ask: Ask, __: str) -> Say:
        await asyncio.sleep(0.7)  # nats-py gives up after 0.5 s unless told otherwise
        return Say(what=ask.what)

    server = await serving(client, handle)
    assert (await NatsMesh(client, VOUCHING).call(ECHO, Ask(what="late"), ME)).what == "late"
    await server.stop()


async def test_the_deadline_of_the_caller_ends_the_work(client: Client) -> None:
    ended = asyncio.Event()

    async def handle(*_: object) -> Say:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.set()
            raise
        return Say(what="never")

    server = await serving(client, handle)
    with pytest.raises(DeadlineExceeded):
        await NatsMesh(client, VOUCHING).call(ECHO, Ask(), ME, deadline=0.2)
    await asyncio.wait_for(ended.wait(), 20)
    await server.stop()


async def test_nobody_answers_at_once_when_nobody_is_there(client: Client) -> None:
    with pytest.raises(Unavailable, match="trap"):
        await asyncio.wait_for(NatsMesh(client, VOUCHING).call(ECHO, Ask(), ME, deadline=60), 30)


async def test_stopping_finishes_what_runs_and_takes_nothing_new(client: Client) -> None:
    started = asyncio.Event()
    go_on = asyncio.Event()

    async def handle(_: Caller, ask: Ask, __: str) -> Say:
        started.set()
        await go_on.wait()
        return Say(what=ask.what)

    server = await serving(client, handle)
    mesh = NatsMesh(client, VOUCHING)
    running = asyncio.create_task(mesh.call(ECHO, Ask(what="kept"), ME))
    await started.wait()
    stopping = asyncio.create_task(server.stop())

    async def refused() -> bool:
        try:
            await mesh.call(ECHO, Ask(), ME, deadline=0.2)
        except Unavailable:
            return True
        except DeadlineExceeded:
            return False
        return False

    await eventually(refused)
    go_on.set()
    assert (await running).what == "kept"
    await stopping


async def test_context_does_not_leak_from_call_to_call(client: Client) -> None:
    seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")

    async def handle(_: Caller, ask: Ask, __: str) -> Say:
        before = seen.get()
        seen.set(ask.what)
        return Say(what=before)

    server = await serving(client, handle)
    mesh = NatsMesh(client, VOUCHING)
    for what in ("one", "two", "three"):
        assert (await mesh.call(ECHO, Ask(what=what), ME)).what == "nothing"
    await server.stop()


async def test_everything_wrong_with_a_request_is_told(client: Client) -> None:
    async def handle(*_: object) -> Say:
        return Say(what="")

    server = await serving(client, handle)
    mesh = NatsMesh(client, VOUCHING)
    with pytest.raises(InvalidRequest) as caught:
        await mesh.call_raw(ECHO.name, b'{"what": 1, "number": "x", "more": true}', ME, deadline=2)
    assert {problem.pointer for problem in caught.value.problems} == {"/what", "/number", "/more"}
    with pytest.raises(InvalidRequest, match="JSON"):
        await mesh.call_raw(ECHO.name, b"{nonsense", ME, deadline=2)
    await server.stop()


@pytest.mark.parametrize(
    ("operation", "caller", "refusal"),
    [
        (STAFF, ANYONE, Unauthenticated),
        (STAFF, Caller(audience=Audience.MERCHANT, actor="a"), Forbidden),
        (
            STAFF,
            Caller(audience=Audience.MERCHANT, actor="a", permissions=("points:read",)),
            Forbidden,
        ),
        (
            INSIDE,
            Caller(audience=Audience.ADMIN, actor="a", permissions=("admin:full",)),
            Forbidden,
        ),
        (INSIDE, ANYONE, Unauthenticated),
    ],
)
async def test_permission_is_checked_where_the_work_is_done(
    client: Client, operation: Any, caller: Caller, refusal: type[LoyaltyError]
) -> None:
    async def handle(*_: object) -> Say:
        return Say(what="done")

    server = await serving(client, handle, operation)
    with pytest.raises(refusal):
        await NatsMesh(client, VOUCHING).call(operation, Ask(), caller)
    assert (await NatsMesh(client, VOUCHING).call(operation, Ask(), ME)).what == "done"
    await server.stop()


async def test_expected_errors_arrive_as_what_they_are(client: Client) -> None:
    async def handle(*_: object) -> Say:
        raise NotFound("There is no such member.")

    server = await serving(client, handle)
    with pytest.raises(NotFound, match="no such member"):
        await NatsMesh(client, VOUCHING).call(ECHO, Ask(), ME)
    await server.stop()


async def test_the_connection_survives_a_killed_server(tmp_path: Path) -> None:
    async with Servers(tmp_path, names=["nats"]) as own:
        client = await connect(own.environment()["LOYALNEST_NATS_URL"], "test")

        async def handle(_: Caller, ask: Ask, __: str) -> Say:
            return Say(what=ask.what)

        server = await serving(client, handle)
        mesh = NatsMesh(client, VOUCHING)
        await own.kill("nats")
        await own.start("nats")
        answer = await eventually(
            lambda: mesh.call(ECHO, Ask(what="back"), ME, deadline=0.5),
            ignore=[Unavailable, DeadlineExceeded],
        )
        assert answer.what == "back"
        await server.stop()
        await client.close()
