"""`bench ledger`: orders into the ledger of each store, next to what its bare driver takes.

Batches of orders go through the use case that earns (``apply_shop_events``), on PostgreSQL and on
MongoDB, two at once. The floors write what lasts of the same orders with the bare driver, in
transactions of the same size: order, entry, wallet, lot, outbox; no rules, no locks, no looking up.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import asyncpg
import msgspec
from bson import Binary, Decimal128
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from contracts import shop
from contracts.shop import Order, OrderCustomer, member_id
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.events import Received
from services.points.earning import apply_shop_events
from tests.bench.report import Result, ratio
from tests.bench.servers import mongod
from tests.ports.stores import Store, on_mongo, on_postgres

BATCH: Final = 250
_AT_ONCE: Final = 2
_MEMBERS: Final = 5_000
_AT: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)

_TABLES: Final = """
CREATE TABLE orders (shop uuid, id text, customer uuid, amount numeric, told jsonb,
    PRIMARY KEY (shop, id));
CREATE TABLE entries (shop uuid, customer uuid, id uuid, order_id text, points bigint,
    told jsonb, at timestamptz DEFAULT now(), PRIMARY KEY (shop, customer, id));
CREATE UNIQUE INDEX entries_once ON entries (shop, order_id);
CREATE TABLE wallets (shop uuid, customer uuid, points bigint, PRIMARY KEY (shop, customer))
    WITH (fillfactor = 80);
CREATE TABLE lots (shop uuid, customer uuid, id uuid, points bigint,
    PRIMARY KEY (shop, customer, id));
CREATE TABLE outbox (id uuid PRIMARY KEY, told text);
"""
_ROWS: Final = "json_to_recordset($1::json) AS r (shop uuid, customer uuid, id text, entry uuid)"
_BARE: Final = (
    f"INSERT INTO orders SELECT shop, id, customer, 100, '{{}}' FROM {_ROWS}",
    f"INSERT INTO entries SELECT shop, customer, entry, id, 100, '{{}}' FROM {_ROWS}",
    f"INSERT INTO lots SELECT shop, customer, entry, 100 FROM {_ROWS}",
    f"""
    INSERT INTO wallets AS w SELECT shop, customer, 100 * count(*) FROM {_ROWS}
    GROUP BY shop, customer ORDER BY customer
    ON CONFLICT (shop, customer) DO UPDATE SET points = w.points + excluded.points
    """,
)
_NAMES: Final = uuid4()

Write = Callable[[int], Awaitable[None]]
"""Writes the batch of this number."""


async def bench(seconds: float) -> Result:
    """A quarter of ``seconds`` each for two stores and their floors."""
    each = seconds / 4
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = await stack.enter_async_context(Servers(folder / "servers"))
        mongo = await mongod(stack, folder / "mongo")
        postgres = await stack.enter_async_context(on_postgres(servers))
        documents = await stack.enter_async_context(on_mongo(mongo, servers))
        found = {
            "postgres": await _per_second(_product(postgres), each),
            "floor of postgres": await _per_second(await _asyncpg(stack, servers), each),
            "mongo": await _per_second(_product(documents), each),
            "floor of mongo": await _per_second(await _pymongo(stack, mongo), each),
        }
    details: dict[str, object] = {name: f"{value:,.0f} orders/s" for name, value in found.items()}
    details["ratio of mongo"] = f"{ratio(found['mongo'], found['floor of mongo']):.2f}"
    return Result(
        bench="ledger",
        figure=found["postgres"],
        unit="orders/s",
        floor=found["floor of postgres"],
        ratio=ratio(found["postgres"], found["floor of postgres"]),
        details=details,
        notes=[f"Transactions of {BATCH} orders, {_AT_ONCE} at once, {_MEMBERS:,} members."],
    )


async def _per_second(write: Write, seconds: float) -> float:
    """Orders, once everything is warm."""
    numbers = count()
    await write(next(numbers))
    started = time.perf_counter()
    done = 0

    async def again_and_again() -> None:
        nonlocal done
        while time.perf_counter() - started < seconds:
            await write(next(numbers))
            done += BATCH

    await asyncio.gather(*(again_and_again() for _ in range(_AT_ONCE)))
    return done / (time.perf_counter() - started)


def _product(store: Store) -> Write:
    merchant = uuid4()

    async def write(number: int) -> None:
        told = [
            Received(str(uuid4()), shop.ORDER_CREATED, order(merchant, each), merchant, _AT)
            for each in range(number * BATCH, (number + 1) * BATCH)
        ]
        async with store.units() as unit:
            await apply_shop_events(unit, told)

    return write


def order(merchant: UUID, number: int) -> Order:
    """The shop's order of this number, of one of its members."""
    customer = str(number * 7919 % _MEMBERS)
    return Order(
        order_id=str(number), number=f"#{number}", currency="USD", test=False, source="web",
        financial_status="paid", created_at=_AT, updated_at=_AT, processed_at=_AT,
        subtotal=Decimal(100), shipping=Decimal(7), tax=Decimal(0), total=Decimal(107),
        customer=OrderCustomer(
            customer_id=member_id(merchant, customer), shopify_customer_id=customer
        ),
    )  # fmt: skip


async def _asyncpg(stack: AsyncExitStack, servers: Servers) -> Write:
    url = servers.environment()["LOYALNEST_POSTGRES_URL"]
    owner = await asyncpg.connect(f"{url}/postgres")
    await owner.execute("CREATE DATABASE floor")
    await owner.close()
    pool = await stack.enter_async_context(
        asyncpg.create_pool(f"{url}/floor", min_size=_AT_ONCE, max_size=_AT_ONCE)
    )
    await pool.execute(_TABLES)
    merchant = uuid4()

    async def write(number: int) -> None:
        rows = msgspec.json.encode(
            [each | {"id": str(each["id"])} for each in _bare_orders(merchant, number)]
        ).decode()
        async with pool.acquire() as connection, connection.transaction():
            for statement in _BARE:
                await connection.execute(statement, rows)
            await connection.execute("INSERT INTO outbox VALUES ($1, $2)", uuid4(), rows)

    return write


async def _pymongo(stack: AsyncExitStack, server: MongoServer) -> Write:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(server.url)
    stack.push_async_callback(client.close)
    database = client.floor
    for name in ("orders", "entries", "wallets", "lots", "outbox"):
        await database.create_collection(name)
    await database.entries.create_index([("shop", 1), ("order", 1)], unique=True)
    merchant = Binary.from_uuid(uuid4())

    async def write(number: int) -> None:
        orders = _bare_orders(merchant.as_uuid(), number)
        customers = [Binary.from_uuid(each["customer"]) for each in orders]
        entries = [Binary.from_uuid(each["entry"]) for each in orders]
        pairs = list(zip(orders, customers, entries, strict=True))

        async def all_of_it(session: AsyncClientSession) -> None:
            await database.orders.insert_many(
                [
                    {
                        "_id": {"shop": merchant, "order": each["id"]},
                        "customer": who,
                        "amount": Decimal128("100"),
                    }
                    for each, who, _ in pairs
                ],
                session=session,
            )
            await database.entries.insert_many(
                [
                    {"_id": entry, "shop": merchant, "order": each["id"], "customer": who,
                     "points": 100, "at": _AT}
                    for each, who, entry in pairs
                ],
                session=session,
            )  # fmt: skip
            await database.lots.insert_many(
                [{"_id": entry, "customer": who, "points": 100} for _, who, entry in pairs],
                session=session,
            )
            await database.wallets.bulk_write(
                [
                    UpdateOne(
                        {"_id": {"shop": merchant, "who": who}},
                        {"$inc": {"points": 100}},
                        upsert=True,
                    )
                    for who in sorted(customers)
                ],
                session=session,
            )
            await database.outbox.insert_one({"told": str(orders)}, session=session)

        async with client.start_session() as session:
            await session.with_transaction(all_of_it)

    return write


def _bare_orders(merchant: UUID, number: int) -> list[dict[str, Any]]:
    return [
        {
            "shop": merchant,
            "id": each,
            "customer": uuid5(_NAMES, str(each * 7919 % _MEMBERS)),
            "entry": uuid4(),
        }
        for each in range(number * BATCH, (number + 1) * BATCH)
    ]
