"""``ports.standings.Standings`` on PostgreSQL."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import text

from adapters.postgres.programs import PostgresPrograms
from adapters.postgres.purchases import PostgresBuyers, columns_of, member_order, profile_in
from adapters.postgres.rows import as_rows
from adapters.postgres.walks import PostgresWalks
from domain.rfm.profile import NOBODY, Profile
from ports.purchases import MemberKey
from ports.standings import NEVER, Assigned, Move

_TIERS: Final = text(
    """
    SELECT t.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN vip_tiers t USING (merchant_id, customer_id)
    """
)
_ASSIGN: Final = text(
    """
    INSERT INTO vip_tiers (merchant_id, customer_id, tier, version, assigned_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, customer_id uuid, tier text, version bigint, assigned_at timestamptz
    )
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        tier = excluded.tier, version = excluded.version, assigned_at = excluded.assigned_at
    """
)
_COUNT: Final = text(
    """
    INSERT INTO vip_tier_counts AS c (merchant_id, tier, members)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, tier text, members bigint)
    ON CONFLICT (merchant_id, tier) DO UPDATE SET members = c.members + excluded.members
    """
)
_FIND: Final = text(
    """
    SELECT p.*, coalesce(t.tier, '') AS tier, coalesce(t.version, 0) AS version
    FROM profiles p LEFT JOIN vip_tiers t USING (merchant_id, customer_id)
    WHERE p.merchant_id = :merchant_id AND p.customer_id = :customer_id
    """
)
_COUNTS: Final = text("SELECT tier, members FROM vip_tier_counts WHERE merchant_id = :merchant_id")


class PostgresStandings(PostgresBuyers, PostgresPrograms, PostgresWalks):
    async def tiers(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Assigned]:
        rows = await self._connection.execute(_TIERS, columns_of(keys))
        return {
            MemberKey(row.merchant_id, row.customer_id): Assigned(row.tier, row.version)
            for row in rows
        }

    async def assign(self, moves: Mapping[MemberKey, Move]) -> None:
        if not moves:
            return
        rows = as_rows(
            {
                "merchant_id": key.merchant_id,
                "customer_id": key.customer_id,
                "tier": moves[key].after.tier,
                "version": moves[key].after.version,
                "assigned_at": moves[key].at,
            }
            for key in sorted(moves, key=member_order)
        )
        await self._connection.execute(_ASSIGN, {"rows": rows})
        # Last of all that a batch writes: these are the rows that every batch of a shop shares.
        counts: Counter[tuple[UUID, str]] = Counter()
        for key, move in moves.items():
            counts[key.merchant_id, move.before.tier] -= 1
            counts[key.merchant_id, move.after.tier] += 1
        cells = sorted(cell for cell, members in counts.items() if members and cell[1])
        rows = as_rows(
            {"merchant_id": cell[0], "tier": cell[1], "members": counts[cell]} for cell in cells
        )
        await self._connection.execute(_COUNT, {"rows": rows})

    async def find(self, key: MemberKey) -> tuple[Profile, Assigned]:
        row = (await self._connection.execute(_FIND, key._asdict())).one_or_none()
        if row is None:
            return NOBODY, NEVER
        return profile_in(row), Assigned(row.tier, row.version)

    async def tier_counts(self, merchant_id: UUID) -> Mapping[str, int]:
        rows = await self._connection.execute(_COUNTS, {"merchant_id": merchant_id})
        return {row.tier: row.members for row in rows}
