"""The floor of `bench orders`: the same orders by the barest pipeline that keeps the same promises.

One process is a granian application that checks the HMAC, publishes what it was sent to JetStream
and waits for the ack; another takes batches and writes, with bare asyncpg and in one transaction
each, what the product writes of an order in points, rfm and core: inbox, order, ledger entry,
wallet, profile, and an outbox that it publishes afterwards. No services, no contracts, no sealing,
no rules beyond a point for each unit of money.

    python -m tests.bench.floor edge|consumer
"""

import asyncio
import base64
import contextlib
import hmac
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid4, uuid5

import asyncpg
import msgspec
import nats
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from infra.embedded.ports import free_port
from tests.rig.load import Shop
from tests.rig.own import OwnProcess
from tests.rig.shop import LoadProcess
from tests.rig.stack import Stack

STREAM: Final = "FLOOR"
WEBHOOKS: Final = "floor.in"
_OUT: Final = "floor.out"
_DATABASE: Final = "floor"
_BATCH: Final = 500
_MOST_PER_SECOND: Final = 8_000
_QUIET_WITHIN: Final = 60.0

_TABLES: Final = """
CREATE TABLE inbox (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (id text PRIMARY KEY, customer uuid NOT NULL, merchandise numeric NOT NULL);
CREATE TABLE entries (id uuid PRIMARY KEY, customer uuid NOT NULL, order_id text NOT NULL UNIQUE,
    points bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE wallets (customer uuid PRIMARY KEY, points bigint NOT NULL) WITH (fillfactor = 80);
CREATE TABLE profiles (customer uuid PRIMARY KEY, orders bigint NOT NULL, spent numeric NOT NULL)
    WITH (fillfactor = 80);
CREATE TABLE outbox (id uuid PRIMARY KEY, payload bytea NOT NULL);
"""


class _Customer(msgspec.Struct):
    id: int


class BareOrder(msgspec.Struct):
    """What bare consumers read of an order of Shopify's."""

    id: int
    subtotal_price: str = "0"
    customer: _Customer | None = None


async def orders_per_second(stack: Stack, seconds: float) -> float:
    """Orders per second, sent to committed and published, on the servers of ``stack``."""
    await make_database(stack, _DATABASE, _TABLES)
    orders = int(seconds * _MOST_PER_SECOND)
    consumer = [sys.executable, "-m", "tests.bench.floor", "consumer"]
    async with edge(stack) as port, OwnProcess(consumer, stack.environment()):
        shop = Shop(
            port=port,
            secret=stack.secret,
            run="floor",
            orders=orders,
            customers=orders // 5,
            topics=("orders/create",),
        )
        async with LoadProcess(shop) as load:
            sent = await load.send(seconds)
            quiet_at = await _until_quiet(stack)
    return sent.orders / (quiet_at - sent.started)


@contextlib.asynccontextmanager
async def edge(stack: Stack) -> AsyncIterator[int]:
    """The bare edge alone; the port it listens on."""
    port = free_port(set())
    environment = stack.environment() | {"FLOOR_PORT": str(port), "FLOOR_SECRET": stack.secret}
    await _make_stream(stack)
    async with OwnProcess([sys.executable, "-m", "tests.bench.floor", "edge"], environment):
        yield port


async def _make_stream(stack: Stack) -> None:
    await stack.js.add_stream(StreamConfig(name=STREAM, subjects=["floor.>"], duplicate_window=120))


async def make_database(stack: Stack, name: str, tables: str) -> None:
    url = stack.environment()["LOYALNEST_POSTGRES_URL"]
    connection = await asyncpg.connect(f"{url}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    connection = await asyncpg.connect(f"{url}/{name}")
    await connection.execute(tables)
    await connection.close()


async def _until_quiet(stack: Stack) -> float:
    deadline = time.monotonic() + _QUIET_WITHIN
    while True:
        info = await stack.js.consumer_info(STREAM, "floor")
        now = time.monotonic()
        if not info.num_pending and not info.num_ack_pending:
            return now
        if now > deadline:
            raise AssertionError("the floor did not come to rest")
        await asyncio.sleep(0.02)


async def connect() -> Client:
    return await nats.connect(os.environ["LOYALNEST_NATS_URL"], pending_size=16 * 1024 * 1024)


def bare_edge(client: Client, secret: bytes) -> Callable[..., Awaitable[None]]:
    """An ASGI application: HMAC, publish, ack, 200. Shared by `bench webhook`."""
    js = client.jetstream(timeout=5)
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", b"2"), (b"content-type", b"application/json")],
    }

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        headers = dict(scope["headers"])
        made = base64.b64encode(hmac.digest(secret, body, "sha256"))
        if not hmac.compare_digest(made, headers.get(b"x-shopify-hmac-sha256", b"")):
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await js.publish(
            WEBHOOKS, body, headers={"Nats-Msg-Id": headers[b"x-shopify-webhook-id"].decode()}
        )
        await send(start)
        await send({"type": "http.response.body", "body": b"{}"})

    return app


async def _edge() -> None:
    client = await connect()
    app = bare_edge(client, os.environ["FLOOR_SECRET"].encode())
    server = Server(
        app,
        address="127.0.0.1",
        port=int(os.environ["FLOOR_PORT"]),
        interface=Interfaces.ASGI,
        log_enabled=False,
    )
    print("ready", flush=True)
    await server.serve()


async def _consumer() -> None:
    client = await connect()
    js = client.jetstream(timeout=5)
    pool = await asyncpg.create_pool(
        f"{os.environ['LOYALNEST_POSTGRES_URL']}/{_DATABASE}", min_size=1, max_size=2
    )
    # A pull consumer by name, and nothing delivered that was not asked for.
    subscription = await js.pull_subscribe(WEBHOOKS, durable="floor", stream=STREAM)
    print("ready", flush=True)
    while True:
        try:
            messages = await subscription.fetch(_BATCH, timeout=1)
        except TimeoutError:
            continue
        published = await _write(pool, messages)
        acks = [js.publish(_OUT, json.dumps(each).encode()) for each in published]
        await asyncio.gather(*acks)
        if published:
            async with pool.acquire() as connection:
                await connection.execute(
                    "DELETE FROM outbox WHERE id = ANY($1)", [each["id"] for each in published]
                )
        for message in messages:
            await message.ack()


_decode: Final = msgspec.json.Decoder(BareOrder).decode


async def _write(pool: asyncpg.Pool, messages: list[Msg]) -> list[dict[str, str]]:
    """One transaction; returns what is in the outbox now."""
    orders = {str(order.id): order for order in (_decode(each.data) for each in messages)}
    async with pool.acquire() as connection, connection.transaction():
        fresh = {
            row["id"]
            for row in await connection.fetch(
                "INSERT INTO inbox (id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
                " RETURNING id",
                sorted(orders),
            )
        }
        found = [
            (order_id, uuid5(NAMESPACE_OID, str(order.customer.id)), Decimal(order.subtotal_price))
            for order_id, order in orders.items()
            if order_id in fresh and order.customer is not None
        ]
        if not found:
            return []
        ids, customers, amounts = (list(column) for column in zip(*found, strict=True))
        points = [int(amount) for amount in amounts]
        entries = [uuid4() for _ in ids]
        await connection.execute(
            "INSERT INTO orders SELECT * FROM unnest($1::text[], $2::uuid[], $3::numeric[])"
            " ON CONFLICT DO NOTHING",
            *(ids, customers, amounts),
        )
        await connection.execute(
            "INSERT INTO entries (id, customer, order_id, points)"
            " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[])"
            " ON CONFLICT DO NOTHING",
            *(entries, customers, ids, points),
        )
        await connection.execute(
            "INSERT INTO wallets AS w SELECT c, sum(p) FROM unnest($1::uuid[], $2::bigint[])"
            " AS k (c, p) GROUP BY c ORDER BY c"
            " ON CONFLICT (customer) DO UPDATE SET points = w.points + excluded.points",
            *(customers, points),
        )
        await connection.execute(
            "INSERT INTO profiles AS p SELECT c, count(*), sum(a) FROM"
            " unnest($1::uuid[], $2::numeric[]) AS k (c, a) GROUP BY c ORDER BY c"
            " ON CONFLICT (customer) DO UPDATE SET orders = p.orders + excluded.orders,"
            " spent = p.spent + excluded.spent",
            *(customers, amounts),
        )
        outgoing = [
            {"id": str(entry), "customer": str(customer), "points": str(moved)}
            for entry, customer, moved in zip(entries, customers, points, strict=True)
        ]
        await connection.execute(
            "INSERT INTO outbox SELECT * FROM unnest($1::uuid[], $2::bytea[])",
            *(entries, [json.dumps(each).encode() for each in outgoing]),
        )
    return outgoing


if __name__ == "__main__":
    uvloop.run(_edge() if sys.argv[1] == "edge" else _consumer())
