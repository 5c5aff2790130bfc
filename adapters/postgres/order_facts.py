"""Facts of orders and refunds on PostgreSQL, and what has been posted for them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.entries import ENTRY_COLUMNS, draft_of
from adapters.postgres.order_rows import facts_of, row_of
from adapters.postgres.rows import as_rows
from domain.points.ledger import EntryDraft
from domain.points.orders import OrderFacts, RefundFacts
from ports.ledger import OrderKey, OrderState

_KEYS: Final = "unnest(CAST(:merchants AS uuid[]), CAST(:ids AS text[])) AS k (merchant_id, id)"

# Orders may not exist yet (a refund can come first), so there is no row to lock: an advisory lock
# by the order's name takes its place. Sorted, so that two batches never wait in a circle.
_LOCK: Final = text(
    f"""
    SELECT pg_advisory_xact_lock(lock) FROM (
        SELECT DISTINCT hashtextextended(CAST(merchant_id AS text) || '/' || id, 0) AS lock
        FROM {_KEYS} ORDER BY lock
    ) AS locks
    """
)
_ORDERS: Final = text(
    f"SELECT o.* FROM {_KEYS} JOIN orders o ON o.merchant_id = k.merchant_id AND o.order_id = k.id"
)
_REFUNDS: Final = text(
    f"SELECT r.* FROM {_KEYS} JOIN refunds r ON r.merchant_id = k.merchant_id AND r.order_id = k.id"
)
# Each order's by a look into an index. Left to a join, PostgreSQL reads all of it as long as it
# expects next to nothing there: when it counted last, no entry may have been of an order.
_ENTRIES: Final = text(
    f"""
    SELECT t.* FROM {_KEYS}, LATERAL (
        SELECT t.merchant_id, t.customer_id, {ENTRY_COLUMNS} FROM points_transactions t
        WHERE t.merchant_id = k.merchant_id AND t.order_id = k.id AND t.order_id <> ''
        OFFSET 0
    ) AS t
    ORDER BY t.entry_id
    """
)
_LEARN_ORDERS: Final = text(
    """
    INSERT INTO orders (
        merchant_id, order_id, customer_id, currency, financial_status, created_at, updated_at,
        merchandise, shipping, tax, test, paid_at, cancelled_at, fulfilled_at, lines
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, order_id text, customer_id uuid, currency text, financial_status text,
        created_at timestamptz, updated_at timestamptz, merchandise numeric, shipping numeric,
        tax numeric, test boolean, paid_at timestamptz, cancelled_at timestamptz,
        fulfilled_at timestamptz, lines jsonb
    )
    ON CONFLICT (merchant_id, order_id) DO UPDATE SET
        customer_id = excluded.customer_id, currency = excluded.currency,
        financial_status = excluded.financial_status, created_at = excluded.created_at,
        updated_at = excluded.updated_at, merchandise = excluded.merchandise,
        shipping = excluded.shipping, tax = excluded.tax, test = excluded.test,
        paid_at = excluded.paid_at, cancelled_at = excluded.cancelled_at,
        fulfilled_at = excluded.fulfilled_at, lines = excluded.lines
    """
)
_LEARN_REFUNDS: Final = text(
    """
    INSERT INTO refunds (merchant_id, order_id, refund_id, merchandise, created_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, order_id text, refund_id text, merchandise numeric,
        created_at timestamptz
    )
    ON CONFLICT DO NOTHING
    """
)
_TAKE_MATURED: Final = text(
    """
    DELETE FROM maturing WHERE (merchant_id, order_id) IN (
        SELECT merchant_id, order_id FROM maturing WHERE matures_at <= :at
        ORDER BY matures_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING merchant_id, order_id
    """
)


class PostgresOrderFacts:
    _connection: Connection

    async def lock_orders(self, keys: Iterable[OrderKey]) -> Mapping[OrderKey, OrderState]:
        ordered = sorted(keys)
        if not ordered:
            return {}
        names = _named(ordered)
        await self._connection.execute(_LOCK, names)
        facts = {
            OrderKey(row.merchant_id, row.order_id): facts_of(row)
            for row in await self._connection.execute(_ORDERS, names)
        }
        refunds: dict[OrderKey, list[RefundFacts]] = defaultdict(list)
        for row in await self._connection.execute(_REFUNDS, names):
            refunds[OrderKey(row.merchant_id, row.order_id)].append(
                RefundFacts(row.refund_id, row.order_id, row.merchandise, row.created_at)
            )
        entries: dict[OrderKey, list[EntryDraft]] = defaultdict(list)
        earners: dict[OrderKey, UUID] = {}
        if facts:  # no entry without its order
            for row in await self._connection.execute(_ENTRIES, _named(facts)):
                key = OrderKey(row.merchant_id, row.order_id)
                entries[key].append(draft_of(row))
                earners.setdefault(key, row.customer_id)
        return {
            key: OrderState(
                facts.get(key),
                tuple(refunds.get(key, ())),
                tuple(entries.get(key, ())),
                earners.get(key),
            )
            for key in ordered
        }

    async def learn_orders(self, facts: Mapping[OrderKey, OrderFacts]) -> None:
        if not facts:
            return
        rows = as_rows(row_of(key.merchant_id, each) for key, each in facts.items())
        await self._connection.execute(_LEARN_ORDERS, {"rows": rows})

    async def learn_refunds(self, refunds: Mapping[OrderKey, Sequence[RefundFacts]]) -> None:
        rows = [
            {
                "merchant_id": key.merchant_id,
                "order_id": key.order_id,
                "refund_id": refund.refund_id,
                "merchandise": refund.merchandise,
                "created_at": refund.created_at,
            }
            for key, found in refunds.items()
            for refund in found
        ]
        if rows:
            await self._connection.execute(_LEARN_REFUNDS, {"rows": as_rows(rows)})

    async def take_matured(self, at: datetime, limit: int) -> Sequence[OrderKey]:
        rows = await self._connection.execute(_TAKE_MATURED, {"at": at, "most": limit})
        return [OrderKey(row.merchant_id, row.order_id) for row in rows]


def _named(keys: Collection[OrderKey]) -> dict[str, list[Any]]:
    return {
        "merchants": [key.merchant_id for key in keys],
        "ids": [key.order_id for key in keys],
    }
