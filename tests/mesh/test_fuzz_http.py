"""Rubbish over HTTP: every operation of the OpenAPI document, asked by everybody with what
schemathesis makes of the document, right and wrong, and with what the document cannot say.

Whatever comes, the answer is one that the document promises for that operation, of that type and
shape, and no fault of ours; nothing of another shop is in it, and nothing of our insides.
``LOYALNEST_FUZZ`` is how many cases of each kind there are, three unless told.
"""

import asyncio
import json
import logging
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.schemas import APIOperation

from contracts.caller import Audience
from contracts.http import IDEMPOTENCY_KEY
from contracts.kit import AUTHENTICATED
from contracts.registry import ERRORS
from services import SERVICES
from tests.conftest import Run
from tests.mesh.askings import (
    ANYBODY,
    ASKERS,
    BOUND,
    MEMBER,
    OWNER,
    AnyOperation,
    Asker,
    World,
    may,
    named,
    request_of,
)
from tests.mesh.graphql import questions
from tests.mesh.rubbish import MARK, NASTY, spoilt
from tests.mesh.two_shops import Ids, admin, open_shop, reopen, texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES: Final = int(os.environ.get("LOYALNEST_FUZZ", "3"))
DOCUMENT: Final = json.loads(Path("docs/contracts/openapi.json").read_text(encoding="utf-8"))
PROMISED: Final = schemathesis.openapi.from_dict(DOCUMENT)
LITTLE: Final = next(each for each in ASKERS if each.name == "a role without anything")
ADMINS: Final = tuple(each for each in ASKERS if each.audience is Audience.ADMIN)

CHECKED: Final[Any] = [  # the library's type for them is wider than what it takes
    CHECKS.get_one(name)
    for name in (
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
    )
]
INSIDES: Final = re.compile(
    r"Traceback|File \"|object at 0x|asyncpg|sqlalchemy|msgspec|nats\.|SELECT |INSERT |\.py\b"
)
NOT_TEXTS: Final = (b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"%00", b"", b"\r\n", b"1e9") * 4
"""Values of a query string, as often among the others as those."""
FRAMING: Final = ("content-length", "transfer-encoding", "connection", "expect")
"""Headers that are the client's own affair."""
ENDS_SESSIONS: Final = ("auth.v1.Revoke", "auth.v1.DisableAdmin", "auth.v1.ChangeAdminRole")
"""Asked with ids that somebody has, these would leave nobody who may ask for the rest."""


@dataclass(frozen=True)
class Sent:
    """A request for an operation, but for who asks."""

    operation: AnyOperation
    case: Case
    method: str
    address: str
    headers: dict[str, str]
    body: bytes | None
    names: frozenset[str] = frozenset()


def askers_of(operation: AnyOperation) -> list[Asker]:
    path = operation.http.path if operation.http else ""
    return [OWNER, MEMBER, LITTLE, ANYBODY, *(ADMINS if path.startswith("/admin") else ADMINS[:1])]


def promise(operation: AnyOperation) -> APIOperation[Any, Any, Any, Any]:
    """What the document says of it."""
    assert operation.http is not None
    path = re.sub(r"{([a-z_]+):path}", r"{\1}", operation.http.path)
    return PROMISED[path][operation.http.method]


def drawn(strategy: SearchStrategy[Case], count: int) -> list[Case]:
    """The same ones every time; none where none can be made."""
    found: list[Case] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(case: Case) -> None:
        found.append(case)

    try:
        take()
    except Unsatisfiable:
        return []
    return found


def by_the_document(operation: AnyOperation, ids: Ids) -> Iterator[Sent]:
    """Requests that the document allows, every other one about rows that there are, and requests
    that it does not allow."""
    promised = promise(operation)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        cases = drawn(promised.as_strategy(generation_mode=mode), CASES)
        for number, case in enumerate(cases):
            names: Mapping[str, Any] = {}
            if number % 2 and operation.name not in ENDS_SESSIONS:
                names = json.loads(json.dumps(named(operation, ids), default=str))
                if isinstance(case.body, dict):
                    case.body.update(names)
                elif operation.http and operation.http.method == "GET":
                    case.query = {**case.query, **names}
            made = {
                key: value
                for key, value in case.as_transport_kwargs(base_url="http://x").items()
                if key in ("method", "url", "headers", "params", "json", "data", "cookies")
            }
            ready = requests.Request(**made).prepare()
            parts = urlsplit(str(ready.url))
            body = ready.body.encode() if isinstance(ready.body, str) else ready.body
            assert body is None or isinstance(body, bytes)
            yield Sent(
                operation,
                case,
                str(ready.method),
                f"{parts.path}?{parts.query}" if parts.query else parts.path,
                {
                    name: value if isinstance(value, str) else value.decode("latin-1")
                    for name, value in ready.headers.items()
                    if name.lower() not in FRAMING
                },
                body,
                frozenset(texts_of(names)),
            )


def beyond_the_document(operation: AnyOperation, world: World) -> Iterator[Sent]:
    """Values that no schema describes, in every place of a request that would be good without."""
    assert operation.http is not None
    random = Random(operation.name)
    good = request_of(
        operation, {} if operation.name in ENDS_SESSIONS else world.ours.ids, world.ours
    )
    method, path = operation.http.method, operation.http.path
    in_path = re.compile(r"{([a-z_]+)(?::path)?}")
    case = promise(operation).Case(path_parameters=dict.fromkeys(in_path.findall(path), "x"))
    names = texts_of(named(operation, world.ours.ids))
    key = {IDEMPOTENCY_KEY: f"{operation.name} {random.random()}"}
    send = partial(Sent, operation, case, method, names=names)
    for _ in range(CASES if in_path.search(path) else 0):
        odd = quote(random.choice(NASTY)[:2000].encode("utf-8", "replace"))
        yield send(address=in_path.sub(odd, path), headers=key, body=None)
    path = in_path.sub("x", path)
    if method == "GET":
        for _ in range(CASES):
            query = [(each, str(good[each])) for each in good if good[each] is not None]
            name = random.choice([*good, MARK])
            value = random.choice(
                [*NOT_TEXTS, *(each[:3000].encode("utf-8", "surrogatepass") for each in NASTY)]
            )
            yield send(
                address=f"{path}?{urlencode([*query, (name, value)])}", headers=key, body=None
            )
        return
    for body in spoilt(random, good, 2 * CASES):
        yield send(address=path, headers=key, body=body)
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    )[:CASES]:
        yield send(address=path, headers=key | headers, body=json.dumps(good).encode())


def made_for(operation: AnyOperation, world: World) -> list[Sent]:
    return [
        *by_the_document(operation, world.ours.ids),
        *beyond_the_document(operation, world),
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(run: Run) -> AsyncIterator[World]:
    async with run(*SERVICES, rate_limit_percent="1000000", address_per_second="100000") as process:
        admins = {each.role: await admin(process, each.role) for each in ADMINS}
        tags = [f"{name}{uuid4().hex[:8]}" for name in ("ours", "theirs")]
        ours, theirs = await asyncio.gather(
            *(open_shop(process, tag, admins["superadmin"]) for tag in tags)
        )
        one = World(process, ours, theirs, admins)
        yield one
        await reopen(process, admins["superadmin"])
        await one.http.aclose()


class Fuzzing:
    """What is sent, and what is wrong with the answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._turn = asyncio.Semaphore(8)
        self.statuses: Counter[int] = Counter()
        self.wrong: dict[str, str] = {}

    async def send(self, sent: Sent, asker: Asker) -> None:
        world = self._world
        headers = {name: value for name, value in sent.headers.items() if name != "Authorization"}
        if asker.audience is not Audience.ANYONE:
            headers["Authorization"] = f"Bearer {world.token(asker, world.ours)}"
        async with self._turn:
            try:
                request = world.http.build_request(
                    sent.method, sent.address, headers=headers, content=sent.body
                )
            except (httpx.InvalidURL, UnicodeEncodeError, httpx.LocalProtocolError):
                return
            try:
                answer = await world.http.send(request)
            except httpx.LocalProtocolError:
                return  # our own side does not send that
        self.statuses[answer.status_code] += 1
        for what in self._wrong(sent, asker, answer):
            key = f"{sent.operation.name}: {what}"
            self.wrong.setdefault(
                key,
                f"{key} | {asker.name} {sent.method} {sent.address[:200]} {str(sent.body)[:200]}"
                f" -> {answer.status_code} {answer.text[:200]}",
            )

    def _wrong(self, sent: Sent, asker: Asker, answer: httpx.Response) -> Iterator[str]:
        if answer.status_code >= 500:
            yield f"{answer.status_code}"
        try:
            sent.case.validate_response(answer, checks=CHECKED)
        except BaseExceptionGroup as error:  # schemathesis raises a group of what it finds
            for each in error.exceptions:
                yield f"{type(each).__name__} {answer.status_code} {str(each)[:150]}"
        if not answer.headers.get("x-request-id"):
            yield "no request id"
        if answer.status_code >= 400:
            if answer.headers["content-type"] != "application/problem+json":
                yield "no problem document"
            text = answer.text
            if found := INSIDES.search(text):
                yield f"insides: {found[0]}"
            if len(text) > 20_000:
                yield "a long refusal"
        if asker.audience is not Audience.ADMIN:
            text = answer.text
            if any(mark in text for mark in self._world.theirs.marks - sent.names):
                yield "another shop's"
        if not may(asker, sent.operation.permission) and answer.status_code < 400:
            yield "was allowed"


@pytest.mark.slow
async def test_every_answer_is_one_that_was_promised(
    world: World, counted: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "httpx")  # it logs what we ask
    fuzzing = Fuzzing(world)
    asked = 0
    for operation in BOUND:
        requests_made = await asyncio.to_thread(made_for, operation, world)
        sending = [
            fuzzing.send(sent, asker)
            for asker in askers_of(operation)
            # A refusal by the permission looks at nothing else.
            for sent in (requests_made if may(asker, operation.permission) else requests_made[::8])
        ]
        asked += len(sending)
        await asyncio.gather(*sending)
    statuses = ", ".join(f"{status} {n}x" for status, n in sorted(fuzzing.statuses.items()))
    counted(
        f"fuzz over HTTP: {len(BOUND)} operations x {4 + len(ADMINS)} roles x {CASES} cases of each"
        f" kind: {sum(fuzzing.statuses.values())} requests; {statuses}"
    )
    assert not fuzzing.wrong, "\n".join(fuzzing.wrong.values())
    assert MARK not in caplog.text
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []


QUERIES: Final = (
    "", "{", "}", "{}", "{ __schema { types { name fields { name args { name } } } } }", MARK,
    "query { __typename @include(if: $x) }", "query($a: [[Long!]]!) { __typename }",
    "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "{ a: __typename " * 400 + "}" * 400, "{ " + "__typename " * 5_000 + "}",
    "{ points { getPointsBalance(input: {customerId: 1e999}) { spendable } } }",
    "\ufeff{ __typename }", "{ __typename } # \ud800", "{ x\u0000 }", "mutation M { __typename }",
    "subscription { points }", 'query { __type(name: "' + MARK + '") { name } }',
)  # fmt: skip
"""Queries as nobody should send them."""


class GraphqlFuzzing:
    def __init__(self, world: World) -> None:
        self._world = world
        self._turn = asyncio.Semaphore(8)
        self.outcomes: Counter[str] = Counter()
        self.wrong: dict[str, str] = {}

    async def send(
        self, what: str, asker: Asker, content: bytes, needed: str = AUTHENTICATED
    ) -> None:
        world = self._world
        headers = {"Content-Type": "application/json"}
        if asker.audience is not Audience.ANYONE:
            headers["Authorization"] = f"Bearer {world.token(asker, world.ours)}"
        async with self._turn:
            answer = await world.http.post("/graphql", content=content, headers=headers)
        for found in self._wrong(asker, answer, needed):
            told = f"{what}: {found}"
            self.wrong.setdefault(
                told, f"{told} | {asker.name} {content[:300]!r} -> {answer.text[:300]}"
            )

    def _wrong(self, asker: Asker, answer: httpx.Response, needed: str) -> Iterator[str]:
        told = answer.json()
        codes = [each["extensions"]["code"] for each in told.get("errors", ()) if "data" in told]
        outcome = (codes or [told.get("code", "ok")])[0]
        self.outcomes[outcome] += 1
        if answer.status_code not in (200, 400, 401, 413):
            yield f"{answer.status_code}"
        if outcome in ("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
            yield outcome
        if any(each not in ERRORS and each != "QUERY_TOO_COMPLEX" for each in codes):
            yield f"unknown: {codes}"
        if found := INSIDES.search(answer.text):
            yield f"insides: {found[0]}"
        if len(answer.text) > 400_000:
            yield "a long answer"
        if any(mark in answer.text for mark in self._world.theirs.marks):
            yield "another shop's"
        if not may(asker, needed) and outcome == "ok":
            yield "was allowed"


async def test_graphql_answers_rubbish_too(
    world: World, counted: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Each operation with spoilt variables, and queries that are none, asked by everybody."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "httpx")
    fuzzing = GraphqlFuzzing(world)
    askers = (OWNER, MEMBER, LITTLE, ANYBODY, ADMINS[0])
    for operation in BOUND:
        if (question := questions().get(operation.name)) is None:
            continue
        random = Random(operation.name)
        ids = {} if operation.name in ENDS_SESSIONS else world.ours.ids
        good = question.variables(request_of(operation, ids, world.ours), str(uuid4()))
        query = json.dumps(question.text).encode()
        contents = []
        for asked in spoilt(random, good.get("input", {}), CASES):
            key = b',"key":"%x"' % random.getrandbits(64) if question.keyed else b""
            contents.append(b'{"query":%b,"variables":{"input":%b%b}}' % (query, asked, key))
        contents += [
            b'{"query":%b,"variables":%b}' % (query, asked) for asked in spoilt(random, good, 1)
        ]
        await asyncio.gather(
            *(
                fuzzing.send(operation.name, asker, each, operation.permission)
                for asker in askers
                for each in (contents if may(asker, operation.permission) else contents[::4])
            )
        )
    await asyncio.gather(
        *(
            fuzzing.send("a query", asker, json.dumps({"query": query}).encode())
            for asker in askers
            for query in QUERIES
        )
    )
    outcomes = ", ".join(f"{code} {n}x" for code, n in fuzzing.outcomes.most_common())
    counted(
        f"fuzz of GraphQL: {len(questions())} operations x {len(askers)} roles:"
        f" {fuzzing.outcomes.total()} requests; {outcomes}"
    )
    assert not fuzzing.wrong, "\n".join(fuzzing.wrong.values())
    assert MARK not in caplog.text
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
