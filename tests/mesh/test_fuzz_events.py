"""Rubbish that arrives as events: signed webhooks with a body that makes no sense, signatures that
are almost right, and events that no service of ours would say.

Only the exact signature passes. What a consumer cannot read is put aside, what it cannot apply is
tried again by itself, and neither keeps its neighbours waiting.
"""

import asyncio
import base64
import json
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from adapters.nats.connection import EVENT_ID, MESSAGE_ID
from adapters.nats.dead import REASON, TRIES
from adapters.runtime.host import Process
from adapters.shopify.signatures import webhook_signature
from contracts.caller import service_caller
from contracts.core import GET_USAGE, GetUsage
from contracts.generate.examples import example
from contracts.generate.schemas import Schemas, name_of
from contracts.kit import Body, Event
from contracts.registry import REGISTRY
from contracts.shop import ORDER_CREATED, TILL_SYNCED, Line
from services import SERVICES
from tests.adapters.shopify.samples import SAMPLES
from tests.conftest import Run, eventually
from tests.mesh.edge import SHOP, Edge
from tests.mesh.rubbish import MARK, spoilt
from tests.mesh.said import mesh_of, order, register, world_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES: Final = int(os.environ.get("LOYALNEST_FUZZ", "4"))
SAID: Final = [each for _, each in sorted(REGISTRY.events.items()) if each.prefix != "dead"]
SCHEMAS: Final = Schemas({each.body for each in SAID})
PROMISED: Final = {200, 400, 404}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(run: Run) -> AsyncIterator[Process]:
    async with run(*SERVICES) as one:
        await register(one, SHOP)
        yield one


def almost(random: Random, right: str) -> str:
    """A signature that is nearly ``right``."""
    place = random.randrange(len(right) - 1)
    kind = random.randrange(10)
    letter = random.choice("ABCxyz019+/")
    changed = [
        right[:place] + letter + right[place + 1 :],
        right[:place] + right[place + 1 :],
        right[:place] + letter + right[place:],
        right.rstrip("="),
        right.swapcase(),
        right + "=",
        f"sha256={right}",
        f"{right},{right}",
        base64.b64decode(right).hex(),
        right[::-1],
    ][kind]
    return changed if changed != right else ""


async def test_only_the_exact_signature_passes(
    process: Process, counted: Callable[[str], None]
) -> None:
    edge = Edge(process)
    random = Random(0)
    topic = "products/update"
    raw = SAMPLES[topic]
    right = webhook_signature(raw, edge.secret)
    statuses: Counter[int] = Counter()
    wrong = []
    for _ in range(25 * CASES):
        body, signature = raw, right
        if random.random() < 0.5:
            signature = almost(random, right)
        else:
            place = random.randrange(len(raw))
            body = random.choice(
                (
                    raw[:place] + bytes([raw[place] ^ 1 << random.randrange(8)]) + raw[place + 1 :],
                    raw[:place] + raw[place + 1 :],
                    raw[:place] + b" " + raw[place:],
                    raw + b"\n",
                    b"",
                    raw * 2,
                )
            )
        answer = await edge.deliver(topic, body, X_Shopify_Hmac_Sha256=signature)
        statuses[answer.status_code] += 1
        if answer.status_code != 401:
            wrong.append((answer.status_code, signature, body))
    assert wrong == []
    for headers in (
        [("X-Shopify-Hmac-Sha256", right), ("X-Shopify-Hmac-Sha256", almost(random, right))],
        [],
    ):
        sent = [*headers, ("X-Shopify-Shop-Domain", SHOP), ("X-Shopify-Webhook-Id", str(uuid4()))]
        answer = await edge.http.post(
            f"/webhooks/{topic}", content=raw, headers=httpx.Headers(sent)
        )
        assert answer.status_code == 401
    assert (await edge.deliver(topic, raw)).status_code == 200
    await edge.http.aclose()
    counted(f"webhook signatures: {statuses.total()} that are almost right, all refused")


async def test_signed_rubbish_is_refused_by_name(
    process: Process, counted: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    edge = Edge(process)
    before = await quiet(process)
    statuses: Counter[int] = Counter()
    wrong: list[tuple[object, ...]] = []
    for topic, good in sorted(SAMPLES.items()):
        if topic.startswith(("app/", "shop/")):
            continue  # these would end the shop
        for raw in spoilt(Random(topic), json.loads(good), 5 * CASES):
            answer = await edge.deliver(topic, raw)
            statuses[answer.status_code] += 1
            if answer.status_code not in PROMISED or MARK in answer.text:
                wrong.append((topic, raw[:300], answer.status_code, answer.text[:200]))
    for name in ("X_Shopify_Shop_Domain", "X_Shopify_Webhook_Id", "X_Shopify_Triggered_At"):
        for odd in ("", MARK, "x" * 3000, "0", "../..", "*"):
            raw = SAMPLES["products/update"]
            answer = await edge.deliver("products/update", raw, **{name: odd})
            statuses[answer.status_code] += 1
            if answer.status_code not in PROMISED:
                wrong.append((name, odd[:50], answer.status_code, answer.text[:200]))
    await edge.http.aclose()
    told = ", ".join(f"{status} {n}x" for status, n in sorted(statuses.items()))
    counted(f"fuzz of webhooks: {len(SAMPLES)} topics, {statuses.total()} deliveries; {told}")
    assert not wrong, "\n".join(map(str, wrong))
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
    waiting = await quiet(process)
    assert {name: n for name, n in waiting.items() if n > before.get(name, 0)} == {}


def good_body(event: Event[Body]) -> dict[str, Any]:
    body = example(SCHEMAS.definitions[name_of(event.body)], SCHEMAS.definitions, whole=True)
    assert isinstance(body, dict)
    return body


_STEADY_SECONDS: Final = 1.0
"""Longer than a consumer waits for a fuller batch."""


async def quiet(process: Process) -> dict[str, int]:
    """What consumers could not apply at once and will try again, when there is nothing else."""
    js = world_of(process).js

    async def waiting() -> dict[str, int] | None:
        found: dict[str, int] = {}
        for stream in ("WEBHOOKS", "EVENTS", "TASKS"):
            for each in await js.consumers_info(stream):
                if not each.num_waiting:
                    continue  # nobody listens: of a service of another test
                if each.num_pending:
                    return None
                if each.num_ack_pending:
                    found[each.name] = each.num_ack_pending
        return found

    last, since = await waiting(), time.monotonic()

    async def steady() -> bool:
        nonlocal last, since
        now = await waiting()
        if now is None or now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > _STEADY_SECONDS

    await eventually(steady)
    assert last is not None
    return last


async def test_rubbish_among_events_harms_no_neighbour(
    process: Process, counted: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    publisher, client = world_of(process).publisher, world_of(process).client
    merchant = (await register(process)).merchant_id
    before = await quiet(process)
    dead: list[str] = []

    async def hear(message: Msg) -> None:
        dead.append((message.headers or {})[EVENT_ID])

    listening = await client.subscribe(f"dead.*.{merchant}", cb=hear)
    neighbours, said = set(), 0
    for event in SAID:
        good = good_body(event)
        for raw in spoilt(Random(event.topic), good, 3 * CASES):
            fine = str(uuid4())
            if event is not TILL_SYNCED:  # the example of a till's line is no sale: put aside, too
                neighbours.add(fine)
            for message_id, payload in ((str(uuid4()), raw), (fine, json.dumps(good).encode())):
                await publisher.publish(event.subject(merchant), payload, {MESSAGE_ID: message_id})
            said += 1
    left = await quiet(process)
    await listening.unsubscribe()
    assert [each for each in dead if each in neighbours] == []
    assert {name: n for name, n in left.items() if n > before.get(name, 0)} == {}
    assert 0 < len(set(dead)) <= said
    assert not [each.getMessage()[:200] for each in caplog.records if MARK in each.getMessage()]
    counted(
        f"fuzz of events: {len(SAID)} events x {3 * CASES} cases among as many good ones:"
        f" {len(set(dead))} put aside, {said - len(set(dead))} applied or of no concern"
    )


@pytest.mark.parametrize("odd", [r"a\u0000b", "NaN", "-Infinity", "1e999", "9" * 40])
async def test_what_nothing_could_keep_is_put_aside_at_once(process: Process, odd: str) -> None:
    merchant = (await register(process)).merchant_id
    put_aside: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        headers = message.headers or {}
        await put_aside.put(f"{headers[TRIES]} {headers[REASON]}")

    listening = await world_of(process).client.subscribe(f"dead.points.{merchant}", cb=hear)
    bought = msgspec.json.encode(order(merchant))
    # Both are kept; of what a consumer does not keep it does not care.
    field, good = ("subtotal", "100.00") if odd[0] != "a" else ("order_id", "o1")
    spoilt_order = bought.replace(f'"{field}":"{good}"'.encode(), f'"{field}":"{odd}"'.encode())
    assert spoilt_order != bought
    await world_of(process).publisher.publish(
        ORDER_CREATED.subject(merchant), spoilt_order, {MESSAGE_ID: str(uuid4())}
    )
    async with asyncio.timeout(10):
        assert await put_aside.get() == "1 InvalidRequest"
    await listening.unsubscribe()


async def test_an_order_is_put_aside_by_whoever_reads_what_is_wrong_with_it(
    process: Process,
) -> None:
    """Most read a part of an order and go on; somebody reads all of it, so nothing is lost."""
    merchant = (await register(process)).merchant_id
    dead: list[str] = []

    async def hear(message: Msg) -> None:
        dead.append(message.subject)

    listening = await world_of(process).client.subscribe(f"dead.*.{merchant}", cb=hear)
    line = Line(line_id="1", quantity=1, price=Decimal(100), total=Decimal("98.76"))
    bought = msgspec.json.encode(order(merchant, lines=(line,), created_at=datetime.now(UTC)))
    await world_of(process).publisher.publish(
        ORDER_CREATED.subject(merchant), bought.replace(b"98.76", b"a lot"), {MESSAGE_ID: "s1"}
    )
    await quiet(process)
    await listening.unsubscribe()
    assert dead == [f"dead.points.{merchant}"]
    used = await mesh_of(process).call(GET_USAGE, GetUsage(), service_caller("test", merchant))
    assert used.orders == 1
