"""``ports.usage.UsageBook`` on PostgreSQL."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.plans import Plan
from ports.usage import Counted, CountedOrder

_SEE: Final = text(
    """
    INSERT INTO usage_orders (merchant_id, month, order_id)
    SELECT * FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:months AS date[]), CAST(:ids AS text[])
    )
    ON CONFLICT DO NOTHING
    RETURNING merchant_id, month
    """
)
_COUNT: Final = text(
    """
    INSERT INTO usage AS u (merchant_id, month, orders)
    SELECT * FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:months AS date[]), CAST(:orders AS integer[])
    )
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
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def count(self, orders: Iterable[CountedOrder]) -> Sequence[Counted]:
        ordered = sorted(orders)
        if not ordered:
            return ()
        rows = await self._connection.execute(
            _SEE,
            {
                "merchants": [order.merchant_id for order in ordered],
                "months": [order.month for order in ordered],
                "ids": [order.order_id for order in ordered],
            },
        )
        new = Counter((row.merchant_id, row.month) for row in rows)
        if not new:
            return ()
        months = sorted(new)  # in one order everywhere, so that no two batches deadlock
        counted = await self._connection.execute(
            _COUNT,
            {
                "merchants": [merchant for merchant, _ in months],
                "months": [month for _, month in months],
                "orders": [new[each] for each in months],
            },
        )
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
