"""``ports.past_orders.PastOrders`` on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Row, text
from adapters.postgres.earning import PostgresEarningFacts
from adapters.postgres.merged import stands_for
from adapters.postgres.order_rows import facts_of, plain
from adapters.postgres.programs import PostgresPrograms
from domain.points.orders import RefundFacts
from domain.points.simulation import PastOrder
from ports.past_orders import Period

_PLACED: Final = "o.merchant_id = :merchant_id AND o.created_at >= :start AND o.created_at < :end"
_COUNT: Final = text(f"SELECT count(*) FROM orders o WHERE {_PLACED}")
_ORDERS: Final = text(
    f"""
    SELECT o.*, {stands_for("w")} AS member, (
        SELECT json_agg(json_build_array(r.refund_id, CAST(r.merchandise AS text), r.created_at))
        FROM refunds r WHERE r.merchant_id = o.merchant_id AND r.order_id = o.order_id
    ) AS refunds
    FROM (
        SELECT o.* FROM orders o WHERE {_PLACED} AND o.order_id > :after
        ORDER BY o.order_id LIMIT :most
    ) AS o
    LEFT JOIN wallets w ON w.merchant_id = o.merchant_id AND w.customer_id = o.customer_id
    ORDER BY o.order_id
    """
)


class PostgresPastOrders(PostgresPrograms, PostgresEarningFacts):
    async def count_orders(self, merchant_id: UUID, placed: Period) -> int:
        asked = {"merchant_id": merchant_id, "start": placed.start, "end": placed.end}
        return int((await self._connection.execute(_COUNT, asked)).scalar_one())

    async def past_orders(
        self, merchant_id: UUID, placed: Period, after: str, limit: int
    ) -> Sequence[PastOrder]:
        asked = {
            "merchant_id": merchant_id,
            "start": placed.start,
            "end": placed.end,
            "after": after,
            "most": limit,
        }
        rows = await self._connection.execute(_ORDERS, asked)
        return [_order(row) for row in rows]


def _order(row: Row) -> PastOrder:
    facts = facts_of(row)
    if row.member is not None and row.member != facts.customer_id:
        facts = replace(facts, customer_id=row.member)
    return PastOrder(
        facts,
        tuple(
            RefundFacts(refund_id, facts.order_id, Decimal(amount), datetime.fromisoformat(at))
            for refund_id, amount, at in plain(row.refunds) or ()
        ),
    )
