"""The bare pipeline of `bench orders`: edge, stream, batched consumers and writes, and no product.

It has as many consumers of an order as the product, in as many processes, which write as many rows
of the same keys and say as many events, each in one transaction for a batch, with nats-py, msgspec
and asyncpg and nothing between them: no services, no contracts, no walls between shops, no sealing,
no rules beyond a point for each unit of money.

    python -m tests.bench.pipeline STAGE…
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import asyncpg
import msgspec
import uvloop
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from tests.bench.floor import STREAM, WEBHOOKS, BareOrder, connect, edge, make_database
from tests.rig.load import Shop
from tests.rig.own import OwnProcess
from tests.rig.shop import LoadProcess
from tests.rig.stack import Stack

_DATABASE: Final = "pipeline"
_BATCH: Final = 500
_MOST_PER_SECOND: Final = 6_000
_QUIET_WITHIN: Final = 120.0
_EARNED: Final = "floor.earned"
_SCORED: Final = "floor.scored"

_TABLES: Final = """
CREATE TABLE orders (id text PRIMARY KEY, customer uuid NOT NULL, merchandise numeric NOT NULL);
CREATE TABLE entries (id uuid PRIMARY KEY, customer uuid NOT NULL, order_id text NOT NULL UNIQUE,
    points bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE wallets (customer uuid PRIMARY KEY, points bigint NOT NULL) WITH (fillfactor = 80);
CREATE TABLE lots (customer uuid, id uuid, points bigint NOT NULL, PRIMARY KEY (customer, id));
CREATE TABLE badges (customer uuid PRIMARY KEY);
CREATE TABLE first_orders (customer uuid PRIMARY KEY, order_id text NOT NULL);
CREATE TABLE places (customer uuid PRIMARY KEY, points bigint NOT NULL) WITH (fillfactor = 80);
CREATE TABLE bought (id text PRIMARY KEY, customer uuid NOT NULL, spent numeric NOT NULL);
CREATE TABLE profiles (customer uuid PRIMARY KEY, orders bigint NOT NULL, spent numeric NOT NULL)
    WITH (fillfactor = 80);
CREATE TABLE segments (customer uuid PRIMARY KEY, spent numeric NOT NULL) WITH (fillfactor = 80);
CREATE TABLE used (id text PRIMARY KEY);
CREATE TABLE people (customer uuid PRIMARY KEY);
CREATE TABLE members (customer uuid PRIMARY KEY, spent numeric NOT NULL) WITH (fillfactor = 80);
CREATE TABLE tiers (customer uuid PRIMARY KEY, spent numeric NOT NULL) WITH (fillfactor = 80);
CREATE TABLE outbox (id uuid PRIMARY KEY, payload bytea NOT NULL);
"""


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """What every stage knows of an order."""

    order: str
    customer: UUID
    amount: Decimal
    points: int
    entry: UUID


class _Stage(NamedTuple):
    """``writes`` take columns of the rows of a batch: o(rder), c(ustomer), a(mount), p(oints),
    e(ntry)."""

    hears: str
    writes: Sequence[tuple[str, str]]
    says: str = ""


_TYPES: Final = {"o": "text", "c": "uuid", "a": "numeric", "p": "bigint", "e": "uuid"}
_SUM: Final = "SELECT c, sum({0}) FROM {{}} GROUP BY c ORDER BY c"

_STAGES: Final = {
    "points": _Stage(
        WEBHOOKS,
        (
            ("INSERT INTO orders SELECT * FROM {} ON CONFLICT DO NOTHING", "oca"),
            (
                "INSERT INTO entries (id, customer, order_id, points) SELECT * FROM {}"
                " ON CONFLICT DO NOTHING",
                "ecop",
            ),
            (
                f"INSERT INTO wallets AS w {_SUM.format('p')}"
                " ON CONFLICT (customer) DO UPDATE SET points = w.points + excluded.points",
                "cp",
            ),
            ("INSERT INTO lots SELECT * FROM {} ON CONFLICT DO NOTHING", "cep"),
        ),
        _EARNED,
    ),
    "badges": _Stage(
        WEBHOOKS, (("INSERT INTO badges SELECT * FROM {} ON CONFLICT DO NOTHING", "c"),)
    ),
    "referrals": _Stage(
        WEBHOOKS, (("INSERT INTO first_orders SELECT * FROM {} ON CONFLICT DO NOTHING", "co"),)
    ),
    "places": _Stage(
        _EARNED,
        (
            (
                f"INSERT INTO places AS w {_SUM.format('p')}"
                " ON CONFLICT (customer) DO UPDATE SET points = w.points + excluded.points",
                "cp",
            ),
        ),
    ),
    "rfm": _Stage(
        WEBHOOKS,
        (
            ("INSERT INTO bought SELECT * FROM {} ON CONFLICT DO NOTHING", "oca"),
            (
                "INSERT INTO profiles AS w SELECT c, count(*), sum(a) FROM {} GROUP BY c ORDER BY c"
                " ON CONFLICT (customer) DO UPDATE SET orders = w.orders + excluded.orders,"
                " spent = w.spent + excluded.spent",
                "ca",
            ),
            (
                f"INSERT INTO segments AS w {_SUM.format('a')}"
                " ON CONFLICT (customer) DO UPDATE SET spent = w.spent + excluded.spent",
                "ca",
            ),
        ),
        _SCORED,
    ),
    "usage": _Stage(WEBHOOKS, (("INSERT INTO used SELECT * FROM {} ON CONFLICT DO NOTHING", "o"),)),
    "users": _Stage(
        WEBHOOKS, (("INSERT INTO people SELECT * FROM {} ON CONFLICT DO NOTHING", "c"),)
    ),
    "members": _Stage(
        _SCORED,
        (
            (
                f"INSERT INTO members AS w {_SUM.format('a')}"
                " ON CONFLICT (customer) DO UPDATE SET spent = w.spent + excluded.spent",
                "ca",
            ),
        ),
    ),
    "tiers": _Stage(
        _SCORED,
        (
            (
                f"INSERT INTO tiers AS w {_SUM.format('a')}"
                " ON CONFLICT (customer) DO UPDATE SET spent = w.spent + excluded.spent",
                "ca",
            ),
        ),
    ),
}
_PROCESSES: Final = (
    ("points", "badges", "places"),
    ("rfm", "usage", "users", "members", "tiers", "referrals"),
)
"""As in ``tests.bench.layouts``; the edge is a third."""


async def orders_per_second(stack: Stack, seconds: float) -> float:
    """Orders per second, sent until all stages have done them, on the servers of ``stack``."""
    await make_database(stack, _DATABASE, _TABLES)
    orders = int(seconds * _MOST_PER_SECOND)
    async with AsyncExitStack() as running:
        port = await running.enter_async_context(edge(stack))
        await stack.js.purge_stream(STREAM)  # of what the floor was sent
        for names in _PROCESSES:
            command = [sys.executable, "-m", "tests.bench.pipeline", *names]
            await running.enter_async_context(OwnProcess(command, stack.environment()))
        shop = Shop(
            port=port,
            secret=stack.secret,
            run="pipeline",
            orders=orders,
            customers=orders // 5,
            topics=("orders/create",),
        )
        load = await running.enter_async_context(LoadProcess(shop))
        sent = await load.send(seconds)
        quiet_at = await _until_quiet(stack)
    return sent.orders / (quiet_at - sent.started)


async def _until_quiet(stack: Stack) -> float:
    """The moment since when no stage has had anything to do."""
    deadline = time.monotonic() + _QUIET_WITHIN
    quiet_since = 0.0
    while not quiet_since or time.monotonic() < quiet_since + 0.5:  # what one says another hears
        infos = [await stack.js.consumer_info(STREAM, name) for name in _STAGES]
        now = time.monotonic()
        if any(info.num_pending or info.num_ack_pending for info in infos):
            quiet_since = 0.0
        elif not quiet_since:
            quiet_since = now
        if now > deadline:
            raise AssertionError("the bare pipeline did not come to rest")
        await asyncio.sleep(0.02)
    return quiet_since


async def _work(names: Sequence[str]) -> None:
    client = await connect()
    js = client.jetstream(timeout=5)
    pool = await asyncpg.create_pool(
        f"{os.environ['LOYALNEST_POSTGRES_URL']}/{_DATABASE}", min_size=1, max_size=len(names)
    )
    subscriptions = {
        name: await js.pull_subscribe(_STAGES[name].hears, durable=name, stream=STREAM)
        for name in names
    }
    print("ready", flush=True)
    async with asyncio.TaskGroup() as running:
        for name, subscription in subscriptions.items():
            running.create_task(_run(js, pool, subscription, _STAGES[name]))


async def _run(
    js: JetStreamContext,
    pool: asyncpg.Pool,
    subscription: JetStreamContext.PullSubscription,
    stage: _Stage,
) -> None:
    read = _read_order if stage.hears == WEBHOOKS else _decode_row
    while True:
        try:
            messages: list[Msg] = await subscription.fetch(_BATCH, timeout=1)
        except TimeoutError:
            continue
        rows = [row for each in messages if (row := read(each.data)) is not None]
        if rows:
            await _write(js, pool, stage, rows)
        for message in messages:
            await message.ack()


_decode_order: Final = msgspec.json.Decoder(BareOrder).decode
_decode_row: Final = msgspec.json.Decoder(_Row).decode
_encode: Final = msgspec.json.Encoder().encode


def _read_order(data: bytes) -> _Row | None:
    order = _decode_order(data)
    if order.customer is None:
        return None
    amount = Decimal(order.subtotal_price)
    customer = uuid5(NAMESPACE_OID, str(order.customer.id))
    return _Row(str(order.id), customer, amount, int(amount), uuid4())


async def _write(
    js: JetStreamContext, pool: asyncpg.Pool, stage: _Stage, rows: Sequence[_Row]
) -> None:
    """One transaction; then what is to be said of it."""
    columns = {
        "o": [row.order for row in rows],
        "c": [row.customer for row in rows],
        "a": [row.amount for row in rows],
        "p": [row.points for row in rows],
        "e": [row.entry for row in rows],
    }
    says = [_encode(row) for row in rows] if stage.says else []
    async with pool.acquire() as connection:
        async with connection.transaction():
            for statement, names in stage.writes:
                await connection.execute(_sql(statement, names), *(columns[n] for n in names))
            if says:
                await connection.execute(
                    "INSERT INTO outbox SELECT * FROM unnest($1::uuid[], $2::bytea[])",
                    *(columns["e"], says),
                )
        if says:
            await asyncio.gather(*(js.publish(stage.says, each) for each in says))
            await connection.execute("DELETE FROM outbox WHERE id = ANY($1)", columns["e"])


def _sql(statement: str, names: str) -> str:
    arrays = ", ".join(f"${at}::{_TYPES[name]}[]" for at, name in enumerate(names, 1))
    return statement.format(f"unnest({arrays}) AS k ({', '.join(names)})")


if __name__ == "__main__":
    uvloop.run(_work(sys.argv[1:]))
