"""``ports.pos.Sales`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.rows import as_rows
from ports.pos import SaleName, TillLine

# There may be no row to lock yet, so the names are locked instead; sorted, so that no two batches
# wait for each other in a circle.
_HOLD: Final = text(
    """
    SELECT pg_advisory_xact_lock(lock) FROM (
        SELECT DISTINCT hashtextextended(name, 1) AS lock
        FROM unnest(CAST(:names AS text[])) AS k (name) ORDER BY lock
    ) AS locks
    """
)
_KNOWN: Final = text(
    """
    SELECT s.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:names AS text[]))
        AS k (merchant_id, name)
    JOIN sale_names s USING (merchant_id, name)
    """
)
_NAME: Final = text(
    """
    INSERT INTO sale_names (merchant_id, name, order_id)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS r (merchant_id uuid, name text, order_id text)
    ON CONFLICT DO NOTHING
    """
)
_TAKE_OVER: Final = text(
    """
    INSERT INTO refunds (merchant_id, order_id, refund_id, merchandise, created_at)
    SELECT r.merchant_id, k.now, r.refund_id, r.merchandise, r.created_at
    FROM unnest(CAST(:before AS text[]), CAST(:now AS text[])) AS k (before, now)
    JOIN refunds r ON r.merchant_id = :merchant_id AND r.order_id = k.before
    ON CONFLICT DO NOTHING
    """
)
_LINES: Final = text(
    """
    SELECT l.* FROM unnest(CAST(:ids AS text[])) AS k (line_id)
    JOIN pos_lines l ON l.merchant_id = :merchant_id AND l.till_id = :till_id
        AND l.line_id = k.line_id
    """
)
_TOLD: Final = text(
    """
    SELECT l.order_id, min(l.sale) AS sale FROM unnest(CAST(:ids AS text[])) AS k (order_id)
    JOIN pos_lines l ON l.merchant_id = :merchant_id AND l.order_id = k.order_id AND l.sale <> ''
    GROUP BY l.order_id
    """
)
_KEEP: Final = text(
    """
    INSERT INTO pos_lines (
        merchant_id, till_id, line_id, order_id, content, sale, location, at
    )
    SELECT :merchant_id, :till_id, r.* FROM json_to_recordset(CAST(:rows AS json)) AS r (
        line_id text, order_id text, content text, sale text, location text, at timestamptz
    )
    """
)


class PostgresSales:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def hold_sales(self, names: Iterable[SaleName]) -> Mapping[SaleName, str]:
        ordered = sorted(set(names))
        await self._connection.execute(
            _HOLD, {"names": [f"{each.merchant_id}/{each.name}" for each in ordered]}
        )
        rows = await self._connection.execute(
            _KNOWN,
            {
                "merchants": [each.merchant_id for each in ordered],
                "names": [each.name for each in ordered],
            },
        )
        return {SaleName(row.merchant_id, row.name): row.order_id for row in rows}

    async def name_sales(self, told: Mapping[SaleName, str]) -> None:
        rows = [name._asdict() | {"order_id": told[name]} for name in sorted(told)]
        if rows:
            await self._connection.execute(_NAME, {"rows": as_rows(rows)})

    async def take_over_refunds(self, merchant_id: UUID, moves: Mapping[str, str]) -> None:
        await self._connection.execute(
            _TAKE_OVER,
            {"merchant_id": merchant_id, "before": list(moves), "now": list(moves.values())},
        )

    async def hold_till(self, merchant_id: UUID, till_id: str) -> None:
        await self._connection.execute(_HOLD, {"names": [f"till/{merchant_id}/{till_id}"]})

    async def till_lines(
        self, merchant_id: UUID, till_id: str, line_ids: Sequence[str]
    ) -> Mapping[str, TillLine]:
        rows = await self._connection.execute(
            _LINES, {"merchant_id": merchant_id, "till_id": till_id, "ids": list(line_ids)}
        )
        return {
            row.line_id: TillLine(
                row.line_id, row.order_id, row.content, row.sale, row.location, row.at
            )
            for row in rows
        }

    async def sales_told(self, merchant_id: UUID, order_ids: Sequence[str]) -> Mapping[str, str]:
        rows = await self._connection.execute(
            _TOLD, {"merchant_id": merchant_id, "ids": list(order_ids)}
        )
        return {row.order_id: row.sale for row in rows}

    async def keep_lines(self, merchant_id: UUID, till_id: str, lines: Sequence[TillLine]) -> None:
        rows = [
            {
                "line_id": each.line_id,
                "order_id": each.order_id,
                "content": each.content,
                "sale": each.sale,
                "location": each.location,
                "at": each.at,
            }
            for each in lines
        ]
        if rows:
            values = {"merchant_id": merchant_id, "till_id": till_id, "rows": as_rows(rows)}
            await self._connection.execute(_KEEP, values)
