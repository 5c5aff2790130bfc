"""``ports.clearing.Clearings`` on PostgreSQL: added up where the rows are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from domain.points.ledger import Source
from ports.clearing import Cleared, ClearingAsked, ClearingMark

# The rule of such an entry is the other store.
_CLEARED: Final = text(
    f"""
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, CAST(rule AS uuid) AS store,
        CAST(coalesce(sum(points) FILTER (WHERE points > 0), 0) AS bigint) AS points_in,
        CAST(coalesce(-sum(points) FILTER (WHERE points < 0), 0) AS bigint) AS points_out,
        count(*) AS moves
    FROM points_transactions
    WHERE merchant_id = :merchant_id AND source = '{Source.POOL}'
        AND at >= CAST(:since AS timestamptz) AND at < CAST(:until AS timestamptz)
    GROUP BY 1, 2
    HAVING (to_char(at AT TIME ZONE 'UTC', 'YYYY-MM'), CAST(rule AS uuid))
        > (CAST(:month AS text), CAST(:store AS uuid))
    ORDER BY 1, 2 LIMIT :most
    """
)
_ALWAYS: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
_BEGINNING: Final = ClearingMark("", UUID(int=0))


class PostgresClearings:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def cleared(self, asked: ClearingAsked) -> Sequence[Cleared]:
        rows = await self._connection.execute(
            _CLEARED,
            {
                "merchant_id": asked.merchant_id,
                "since": asked.since or _ALWAYS[0],
                "until": asked.until or _ALWAYS[1],
                "most": asked.limit,
            }
            | (asked.after or _BEGINNING)._asdict(),
        )
        return [
            Cleared(ClearingMark(row.month, row.store), row.points_in, row.points_out, row.moves)
            for row in rows
        ]
