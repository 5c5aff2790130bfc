"""``ports.standings.Standings`` on PostgreSQL."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Row, text
from adapters.postgres.programs import PostgresPrograms
from adapters.postgres.purchases import columns_of, member_order
from adapters.postgres.rows import as_rows
from adapters.postgres.walks import PostgresWalks
from ports.purchases import MemberKey
from ports.standings import NOWHERE, Assigned, Climb, Move, Standing

# Time alone changes a score, and that is said too: it moves nobody here, and brings no row back.
_LEARN: Final = text(
    """
    WITH learnt AS (
        INSERT INTO vip_tiers AS t (
            merchant_id, customer_id, shopify_customer_id, orders, spent, heard, tier, version
        )
        SELECT *, '', 0 FROM json_to_recordset(CAST(:rows AS json)) AS k (
            merchant_id uuid, customer_id uuid, shopify_customer_id text, orders integer,
            spent numeric, heard bigint
        )
        ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
            shopify_customer_id = coalesce(
                nullif(excluded.shopify_customer_id, ''), t.shopify_customer_id
            ),
            orders = excluded.orders, spent = excluded.spent, heard = excluded.heard
        WHERE t.heard < excluded.heard
        RETURNING new.*, (old.orders, old.spent) IS DISTINCT FROM (new.orders, new.spent) AS climbed
    )
    SELECT * FROM learnt WHERE climbed
    """
)
_LOCK: Final = text(
    """
    SELECT t.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN vip_tiers t USING (merchant_id, customer_id)
    ORDER BY t.merchant_id, t.customer_id
    FOR UPDATE OF t
    """
)
_ASSIGN: Final = text(
    """
    UPDATE vip_tiers t SET tier = k.tier, version = k.version, assigned_at = k.assigned_at
    FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, customer_id uuid, tier text, version bigint, assigned_at timestamptz
    )
    WHERE t.merchant_id = k.merchant_id AND t.customer_id = k.customer_id
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
    "SELECT * FROM vip_tiers WHERE merchant_id = :merchant_id AND customer_id = :customer_id"
)
_COUNTS: Final = text("SELECT tier, members FROM vip_tier_counts WHERE merchant_id = :merchant_id")


class PostgresStandings(PostgresPrograms, PostgresWalks):
    walked = "vip_tiers"

    async def learn(self, told: Mapping[MemberKey, Climb]) -> Mapping[MemberKey, Standing]:
        if not told:
            return {}
        # In one order everywhere, so that no two batches deadlock.
        rows = as_rows(
            {
                "merchant_id": key.merchant_id,
                "customer_id": key.customer_id,
                "shopify_customer_id": told[key].shopify_customer_id,
                "orders": told[key].orders,
                "spent": told[key].spent,
                "heard": told[key].version,
            }
            for key in sorted(told, key=member_order)
        )
        found = await self._connection.execute(_LEARN, {"rows": rows})
        return {_key(row): _standing(row) for row in found}

    async def lock(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Standing]:
        found = await self._connection.execute(_LOCK, columns_of(sorted(keys)))
        return {_key(row): _standing(row) for row in found}

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
            for key in moves
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

    async def find(self, key: MemberKey) -> Standing:
        row = (await self._connection.execute(_FIND, key._asdict())).one_or_none()
        return NOWHERE if row is None else _standing(row)

    async def tier_counts(self, merchant_id: UUID) -> Mapping[str, int]:
        rows = await self._connection.execute(_COUNTS, {"merchant_id": merchant_id})
        return {row.tier: row.members for row in rows}


def _key(row: Row) -> MemberKey:
    return MemberKey(row.merchant_id, row.customer_id)


def _standing(row: Row) -> Standing:
    return Standing(
        Climb(row.orders, row.spent, row.shopify_customer_id, row.heard),
        Assigned(row.tier, row.version),
    )
