"""``ports.usage.UsageBook`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.rows import as_rows
from domain.plans import Plan
from ports.usage import Counted, CountedOrder

_COUNT: Final = text(
    """
    WITH seen AS (
        INSERT INTO usage_orders (merchant_id, month, order_id)
        SELECT * FROM json_to_recordset(CAST(:rows AS json))
            AS k (merchant_id uuid, month date, order_id text)
        ON CONFLICT DO NOTHING
        RETURNING merchant_id, month
    )
    INSERT INTO usage AS u (merchant_id, month, orders)
    SELECT merchant_id, month, count(*) FROM seen
    GROUP BY merchant_id, month ORDER BY merchant_id, month
    ON CONFLICT (merchant_id, month) DO UPDATE SET orders = u.orders + excluded.orders
    RETURNING merchant_id, month, coalesce(old.orders, 0) AS before, new.orders AS after
    """
)
_PLANS: Final = text(
    """
    SELECT DISTINCT ON (merchant_id) merchant_id, settings ->> 'plan' AS plan
    FROM program_settings WHERE merchant_id = ANY(CAST(:merchants AS uuid[]))
    ORDER BY merchant_id, version DESC
    """
)
_ORDERS: Final = text(
    "SELECT orders FROM usage WHERE merchant_id = :merchant_id AND month = :month"
)
_MEMBERS: Final = text("SELECT members FROM member_counts WHERE merchant_id = :merchant_id")


class PostgresUsage:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def count(self, orders: Iterable[CountedOrder]) -> Sequence[Counted]:
        # In one order everywhere, so that no two batches deadlock. Bytes compare much faster.
        rows = [
            {"merchant_id": each.merchant_id, "month": each.month, "order_id": each.order_id}
            for each in sorted(
                orders, key=lambda each: (each.merchant_id.bytes, each.month, each.order_id)
            )
        ]
        if not rows:
            return ()
        counted = await self._connection.execute(_COUNT, {"rows": as_rows(rows)})
        return [Counted(*row) for row in counted]

    async def plans(self, merchants: Iterable[UUID]) -> Mapping[UUID, Plan]:
        rows = await self._connection.execute(_PLANS, {"merchants": list(merchants)})
        return {row.merchant_id: Plan(row.plan) for row in rows}

    async def orders(self, merchant_id: UUID, month: date) -> int:
        rows = await self._connection.execute(_ORDERS, {"merchant_id": merchant_id, "month": month})
        return rows.scalar_one_or_none() or 0

    async def members(self, merchant_id: UUID) -> int:
        rows = await self._connection.execute(_MEMBERS, {"merchant_id": merchant_id})
        return rows.scalar_one_or_none() or 0
