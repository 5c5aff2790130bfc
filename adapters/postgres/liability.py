"""``ports.liability.Holdings`` on PostgreSQL: added up where the rows are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import text
from adapters.postgres.programs import PostgresPrograms
from domain.points.ledger import EntryKind
from ports.liability import ExpiringHolding, TierHolding

_KIND: Final = "CASE WHEN reverses IS NULL THEN kind ELSE reverses END"
_NOW: Final = "SELECT * FROM wallets WHERE merchant_id = :merchant_id"
_THEN: Final = f"""
    SELECT merchant_id, customer_id,
        coalesce(sum(points) FILTER (WHERE NOT pending), 0) AS spendable,
        coalesce(sum(points) FILTER (WHERE pending), 0) AS pending,
        coalesce(-sum(points) FILTER (WHERE {_KIND} = '{EntryKind.REDEEM}'), 0) AS spent,
        coalesce(-sum(points) FILTER (WHERE {_KIND} = '{EntryKind.EXPIRE}'), 0) AS expired
    FROM points_transactions WHERE merchant_id = :merchant_id AND at <= :at
    GROUP BY merchant_id, customer_id
"""
_HELD: Final = """
    SELECT coalesce(b.tier, '') AS tier,
        count(*) FILTER (WHERE w.spendable > 0 OR w.pending > 0) AS members,
        CAST(sum(greatest(w.spendable, 0)) AS bigint) AS spendable,
        CAST(sum(greatest(w.pending, 0)) AS bigint) AS pending,
        CAST(sum(least(w.spendable, 0) + least(w.pending, 0)) AS bigint) AS debts,
        CAST(sum(w.spent) AS bigint) AS spent, CAST(sum(w.expired) AS bigint) AS expired
    FROM ({wallets}) AS w LEFT JOIN buyers b
        ON b.merchant_id = w.merchant_id AND b.customer_id = w.customer_id
    GROUP BY 1 ORDER BY 1
"""
_HELD_NOW: Final = text(_HELD.format(wallets=_NOW))
_HELD_THEN: Final = text(_HELD.format(wallets=_THEN))
_EXPIRING: Final = text(
    """
    SELECT coalesce(to_char(expires_at AT TIME ZONE :zone, 'YYYY-MM'), '') AS month,
        CAST(sum(remaining) AS bigint) AS points
    FROM lots WHERE merchant_id = :merchant_id GROUP BY 1 ORDER BY 1
    """
)


class PostgresHoldings(PostgresPrograms):
    async def held(self, merchant_id: UUID, at: datetime | None) -> Sequence[TierHolding]:
        asked: dict[str, object] = {"merchant_id": merchant_id}
        if at is None:
            rows = await self._connection.execute(_HELD_NOW, asked)
        else:
            rows = await self._connection.execute(_HELD_THEN, asked | {"at": at})
        return [TierHolding(*row) for row in rows]

    async def expiring(self, merchant_id: UUID, zone: str) -> Sequence[ExpiringHolding]:
        asked = {"merchant_id": merchant_id, "zone": zone}
        return [ExpiringHolding(*row) for row in await self._connection.execute(_EXPIRING, asked)]
