"""Rubbish over NATS: every operation, those of services among themselves included, asked directly
by every sort of caller with requests that are good, spoilt, or none at all.

Whatever comes, there is an answer: one that the contract describes, or a refusal that says what
kind it is, and none says that it is our fault. Afterwards all services answer as before, and
nothing that was sent is in a log. ``LOYALNEST_FUZZ`` is how many cases there are.
"""

import asyncio
import json
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from random import Random
from typing import Any, Final
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio

from adapters.nats.connection import CALLER, ERROR, IDEMPOTENCY_KEY, SIGNATURE, TIMEOUT_MS
from contracts.caller import ANYONE, Audience, Caller, service_caller
from contracts.kit import PUBLIC
from contracts.registry import ERRORS
from domain.errors import Forbidden, InternalError, InvalidRequest, Unauthenticated
from services import SERVICES
from tests.conftest import Run
from tests.mesh.askings import GRANTS, OPERATIONS, AnyOperation, World, request_of
from tests.mesh.rubbish import MARK, spoilt
from tests.mesh.two_shops import admin, nobodys, open_shop, reopen

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES: Final = int(os.environ.get("LOYALNEST_FUZZ", "4"))
HARMFUL: Final = ("auth.v1.RegisterMerchant",)
"""Good requests for these would end the shop that everybody asks for."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(run: Run) -> AsyncIterator[World]:
    async with run(*SERVICES) as process:
        superadmin = await admin(process, "superadmin")
        tags = [f"{name}{uuid4().hex[:8]}" for name in ("ours", "theirs")]
        ours, theirs = await asyncio.gather(*(open_shop(process, tag, superadmin) for tag in tags))
        one = World(process, ours, theirs, {"superadmin": superadmin})
        yield one
        await reopen(process, superadmin)
        await one.http.aclose()


def callers(world: World) -> dict[str, Caller]:
    shop = world.ours
    owner = Caller(
        audience=Audience.MERCHANT,
        actor="staff:owner",
        merchant_id=shop.merchant_id,
        role="owner",
        permissions=tuple(GRANTS["owner"]),
    )
    change = msgspec.structs.replace
    return {
        "anyone": ANYONE,
        "owner": owner,
        "staff without permissions": change(owner, permissions=(), role=""),
        "staff of no shop": change(owner, merchant_id=None),
        "staff of an unknown shop": change(owner, merchant_id=uuid4()),
        "member": change(
            owner, audience=Audience.CUSTOMER, actor=f"customer:{shop.member}",
            customer_id=shop.member, role="customer", permissions=tuple(GRANTS["customer"]),
        ),
        "member who is nobody": change(owner, audience=Audience.CUSTOMER),
        "admin": Caller(
            audience=Audience.ADMIN, actor=str(uuid4()), permissions=("admin:full",)
        ),
        "admin who is odd": Caller(
            audience=Audience.ADMIN, actor="\u0000odd", permissions=("admin:full",)
        ),
        "service": service_caller("test", shop.merchant_id),
        "service for no shop": service_caller("test"),
    }  # fmt: skip


def payloads(operation: AnyOperation, world: World) -> Iterator[bytes]:
    random = Random(operation.name)
    shop = world.ours
    good = request_of(operation, nobodys("nobodys"), shop)
    if operation.name not in HARMFUL:
        yield json.dumps(good).encode()
    yield from spoilt(random, good, 2 * CASES)


class Fuzzing:
    def __init__(self, world: World) -> None:
        self._client = world.client
        self._vouching = world.vouching
        self._turn = asyncio.Semaphore(16)
        self.outcomes: Counter[str] = Counter()
        self.wrong: dict[str, str] = {}

    async def ask(
        self, operation: AnyOperation, who: str, payload: bytes, headers: dict[str, str]
    ) -> str:
        """The code of a refusal, or ``ok``. Callers are signed for, so that they are looked at."""
        if CALLER in headers:
            key = headers.get(IDEMPOTENCY_KEY, "")
            signature = self._vouching.sign(operation.subject, headers[CALLER], key, payload)
            headers = headers | {SIGNATURE: signature}
        async with self._turn:
            try:
                reply = await self._client.request(
                    operation.subject, payload, timeout=65, headers=headers
                )
            except Exception as error:
                outcome, problem = type(error).__name__, "no answer"
            else:
                outcome, problem = self._read(operation, reply)
        self.outcomes[outcome] += 1
        if problem:
            told = f"{operation.name} {outcome}: {problem}"
            self.wrong.setdefault(told, f"{told} | {who} {payload[:200]!r}")
        return outcome

    def _read(self, operation: AnyOperation, reply: Any) -> tuple[str, str]:
        if reply.headers is None or ERROR not in reply.headers:
            try:
                msgspec.json.decode(reply.data, type=operation.response)
            except msgspec.MsgspecError as error:
                return "ok", f"not a {operation.response.__name__}: {error}"
            return "ok", ""
        code = reply.headers[ERROR]
        told = json.loads(reply.data)
        general = {each.code for each in (Forbidden, Unauthenticated, InvalidRequest)}
        declared = {each.code for each in operation.errors}
        if told["code"] != code or code not in ERRORS or len(reply.data) > 20_000:
            return code, f"an odd envelope: {told}"
        if code == InternalError.code:
            return code, "a fault of ours"
        if code not in general | declared:
            return code, "is not declared"
        return code, ""


async def test_there_is_always_an_answer(
    world: World, counted: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fuzzing = Fuzzing(world)
    who = callers(world)
    for operation in OPERATIONS:
        sending = []
        for number, (name, caller) in enumerate(who.items()):
            headers = {
                CALLER: msgspec.json.encode(caller).decode(),
                TIMEOUT_MS: "60000",
                IDEMPOTENCY_KEY: f"{operation.name} {number}",
            }
            sending += [
                fuzzing.ask(operation, name, payload, headers)
                for payload in payloads(operation, world)
            ]
        await asyncio.gather(*sending)
    outcomes = ", ".join(f"{code} {n}x" for code, n in fuzzing.outcomes.most_common())
    counted(
        f"fuzz over NATS: {len(OPERATIONS)} operations x {len(who)} callers x {1 + 2 * CASES}"
        f" cases: {fuzzing.outcomes.total()} calls; {outcomes}"
    )
    assert not fuzzing.wrong, "\n".join(fuzzing.wrong.values())
    assert MARK not in caplog.text
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
    # All of them are as they were.
    alive = {
        each.service: await fuzzing.ask(
            each, "", b"[]", {CALLER: msgspec.json.encode(service_caller("test")).decode()}
        )
        for each in OPERATIONS
    }
    assert set(alive.values()) == {InvalidRequest.code}


ODD_HEADERS: Final[tuple[dict[str, str], ...]] = (
    {},
    {CALLER: ""},
    {CALLER: "{"},
    {CALLER: MARK},
    {CALLER: '{"audience":"nobody","actor":"x"}'},
    {CALLER: '{"audience":"service"}'},
    {CALLER: '{"audience":"merchant","actor":"x","merchant_id":"x"}'},
    {CALLER: '{"audience":"anyone","actor":"x","permissions":["*"]}'},
)


async def test_who_does_not_say_who_asks_is_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    fuzzing = Fuzzing(world)
    closed = [each for each in OPERATIONS if each.permission != PUBLIC][::9]
    asked = [(each, headers) for each in closed for headers in ODD_HEADERS]
    outcomes = await asyncio.gather(
        *(fuzzing.ask(each, str(headers), b"{}", headers) for each, headers in asked)
    )
    assert set(outcomes) <= {Unauthenticated.code, Forbidden.code}
    assert MARK not in caplog.text


@pytest.mark.parametrize("odd", ["", "soon", "-1", "1e3", "99999999999999999999999", "\u00b2"])
async def test_a_deadline_that_is_none_is_not_waited_for(
    world: World, odd: str, caplog: pytest.LogCaptureFixture
) -> None:
    fuzzing = Fuzzing(world)
    operation = next(each for each in OPERATIONS if each.name == "roles.v1.ListRoles")
    caller = service_caller("test", world.ours.merchant_id)
    headers = {CALLER: msgspec.json.encode(caller).decode(), TIMEOUT_MS: odd}
    assert await fuzzing.ask(operation, odd, b"{}", headers) in ("ok", "DEADLINE_EXCEEDED")
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_a_service_that_does_not_say_for_which_shop_is_refused(world: World) -> None:
    fuzzing = Fuzzing(world)
    headers = {CALLER: msgspec.json.encode(service_caller("test")).decode()}
    asked = [each for each in OPERATIONS if each.name.endswith((".ListRoles", ".GetUsage"))]
    assert [await fuzzing.ask(each, "", b"{}", headers) for each in asked] == [Forbidden.code] * 2
