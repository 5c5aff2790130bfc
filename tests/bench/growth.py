"""`bench growth`: what an order costs in a ledger of 10,000 entries, and in one of 5,000,000.

The ledger is filled by PostgreSQL itself with what orders leave behind (orders, entries, lots,
wallets), all of one shop; between the fillings batches of orders go through the use case that
earns. Flat is a ratio of 1.
"""

import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final
from uuid import UUID, uuid4

from adapters.postgres.connection import text
from adapters.postgres.database import Database
from adapters.postgres.tenancy import MIGRATION
from contracts import shop
from infra.embedded.servers import Servers
from ports.events import Received
from services.points.earning import apply_shop_events
from tests.bench.ledger import BATCH, order
from tests.bench.report import Result, ratio
from tests.ports.stores import Store, on_postgres

SIZES: Final = (10_000, 100_000, 1_000_000, 5_000_000)
_AT_ONCE: Final = 250_000
_MEMBERS: Final = 500_000

_MEMBER: Final = "CAST(md5(CAST(n % :members AS text)) AS uuid)"
_N: Final = "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n"
_SNAPSHOT: Final = (
    '{"rule": "purchase", "settings_version": 1, "rate": "1", "rounding": "down",'
    ' "minimum_spend": "0", "include_shipping": 0, "include_tax": 0, "base": "100",'
    ' "merchandise": "100", "points": 100}'
)
_FILL: Final = (
    f"""
    INSERT INTO orders (merchant_id, order_id, customer_id, currency, financial_status, created_at,
        updated_at, merchandise, shipping, tax, test, paid_at)
    SELECT :shop, 'f' || n, {_MEMBER}, 'USD', 'paid', now(), now(), 100, 7, 0, false, now()
    FROM {_N}
    """,
    f"""
    WITH told AS MATERIALIZED (SELECT n, {_MEMBER} AS customer_id, uuidv7() AS id FROM {_N}),
    entered AS (
        INSERT INTO points_transactions (merchant_id, customer_id, entry_id, kind, points, pending,
            reason, source, source_ref, rule, line, order_id, waived, snapshot, at)
        SELECT :shop, customer_id, id, 'earn', 100, false, 'purchase', 'order', 'f' || n,
            'purchase', '', 'f' || n, 0, CAST(:snapshot AS jsonb), now()
        FROM told
    ), wallet AS (
        INSERT INTO wallets AS w (merchant_id, customer_id, spendable, pending, spent, expired,
            version, active_at)
        SELECT :shop, customer_id, 100 * count(*), 0, 0, 0, count(*), now()
        FROM told GROUP BY customer_id
        ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
            spendable = w.spendable + excluded.spendable, version = w.version + excluded.version
    )
    INSERT INTO lots (merchant_id, customer_id, lot_id, points, remaining, opened_at, idle_days,
        order_id)
    SELECT :shop, customer_id, id, 100, 100, now(), 0, 'f' || n FROM told
    """,
)


async def bench(seconds: float) -> Result:
    """``seconds`` at each size; filling takes some minutes more."""
    merchant = uuid4()
    took: dict[int, float] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = await stack.enter_async_context(Servers(folder / "servers"))
        store = await stack.enter_async_context(on_postgres(servers))
        owner = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points", pool=1)
        stack.push_async_callback(owner.close)
        entries = sold = 0
        for size in SIZES:
            while entries < size:
                last = min(size, entries + _AT_ONCE)
                await _fill(owner, merchant, entries, last - 1)
                entries = last
            took[size], sold = await _cost(store, merchant, sold, seconds)
    least, most = took[SIZES[0]], took[SIZES[-1]]
    details: dict[str, object] = {
        f"{size:,} entries": f"{each:,.0f} µs an order" for size, each in took.items()
    }
    return Result(
        bench="growth",
        figure=most,
        unit="µs an order",
        floor=least,
        ratio=ratio(most, least),
        better="lower",
        details=details,
        notes=[f"Batches of {BATCH} orders, one after the other; the median batch."],
    )


async def _fill(owner: Database, merchant: UUID, first: int, last: int) -> None:
    told = {"shop": merchant, "members": _MEMBERS, "first": first, "last": last}
    async with owner.transaction(MIGRATION) as connection:
        await connection.run("SET LOCAL statement_timeout = 0")
        for statement in _FILL:
            needed = {
                name: value
                for name, value in (told | {"snapshot": _SNAPSHOT}).items()
                if f":{name}" in statement
            }
            await connection.execute(text(statement), needed)


async def _cost(store: Store, merchant: UUID, number: int, seconds: float) -> tuple[float, int]:
    """Microseconds for an order, and the number of the next one."""
    batches: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        told = [
            Received(str(uuid4()), shop.ORDER_CREATED, each, merchant, each.updated_at)
            for each in (order(merchant, number + index) for index in range(BATCH))
        ]
        number += BATCH
        before = time.perf_counter()
        async with store.units() as unit:
            await apply_shop_events(unit, told)
        batches.append((time.perf_counter() - before) / BATCH * 1e6)
    return median(batches), number
