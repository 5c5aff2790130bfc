"""``ports.leaving.Leaving`` on PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.purchases import columns_of, member_order
from adapters.postgres.rows import as_rows
from domain.merging import StandIn, ToldMerge, learn_merges
from ports.purchases import MemberKey

# Of one never heard of a row is made that says so, or late news would make them a member. Counted
# are members, and so is who leaves and comes back, once each.
_LEAVE: Final = text(
    """
    WITH left_now AS (
        INSERT INTO customers AS c (
            merchant_id, customer_id, shopify_customer_id, recency, frequency, monetary, segment,
            orders, spent, rfm_version, tier, tier_version, created_at, version, left_at
        )
        SELECT merchant_id, customer_id, '', 0, 0, 0, '', 0, 0, 0, '', 0, CAST(:at AS timestamptz),
            0, CAST(:at AS timestamptz)
        FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
            AS k (merchant_id, customer_id)
        ON CONFLICT (merchant_id, customer_id) DO UPDATE SET left_at = excluded.left_at
        WHERE c.left_at IS NULL
        RETURNING merchant_id, old.version AS old_version
    )
    UPDATE member_counts m SET members = m.members - gone.members
    FROM (
        SELECT merchant_id, count(*) AS members FROM left_now
        WHERE old_version IS NOT NULL GROUP BY merchant_id
    ) AS gone
    WHERE m.merchant_id = gone.merchant_id
    """
)
_COME_BACK: Final = text(
    """
    WITH back AS (
        UPDATE customers SET left_at = NULL
        WHERE merchant_id = :merchant_id AND customer_id = ANY(CAST(:customers AS uuid[]))
            AND left_at IS NOT NULL
        RETURNING customer_id
    )
    INSERT INTO member_counts AS m (merchant_id, members)
    SELECT CAST(:merchant_id AS uuid), count(*) FROM back
    ON CONFLICT (merchant_id) DO UPDATE SET members = m.members + excluded.members
    """
)
_HOLD_MERGES: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_STAND_INS: Final = text(
    """
    SELECT customer_id, kept_id, version FROM stand_ins
    WHERE merchant_id = :merchant_id
        AND (customer_id = ANY(CAST(:named AS uuid[])) OR kept_id = ANY(CAST(:named AS uuid[])))
    """
)
_LEARN: Final = text(
    """
    INSERT INTO stand_ins (merchant_id, customer_id, kept_id, version)
    SELECT CAST(:merchant_id AS uuid), * FROM json_to_recordset(CAST(:rows AS json))
        AS k (customer_id uuid, kept_id uuid, version bigint)
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        kept_id = excluded.kept_id, version = excluded.version
    """
)


class PostgresLeaving:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def leave(self, members: Iterable[MemberKey], at: datetime) -> None:
        # In one order everywhere, so that no two batches deadlock.
        ordered = sorted(members, key=member_order)
        if ordered:
            await self._connection.execute(_LEAVE, columns_of(ordered) | {"at": at})

    async def merge(self, merchant_id: UUID, told: Sequence[ToldMerge], at: datetime) -> None:
        shop = {"merchant_id": merchant_id}
        await self._connection.execute(_HOLD_MERGES, {"name": f"merges/{merchant_id}"})
        named = list({each for merge in told for each in (merge.merged_id, merge.kept_id)})
        rows = await self._connection.execute(_STAND_INS, shop | {"named": named})
        known = {row.customer_id: StandIn(row.kept_id, row.version) for row in rows}
        changed = learn_merges(known, told)
        if not changed:
            return
        stand_ins = as_rows(
            {"customer_id": customer_id, "kept_id": each.kept_id, "version": each.version}
            for customer_id, each in changed.items()
        )
        await self._connection.execute(_LEARN, shop | {"rows": stand_ins})
        gone = [each for each, stand_in in changed.items() if stand_in.kept_id is not None]
        back = [
            each
            for each, stand_in in changed.items()
            if stand_in.kept_id is None and each in known and known[each].kept_id is not None
        ]
        await self.leave([MemberKey(merchant_id, each) for each in gone], at)
        if back:
            await self._connection.execute(_COME_BACK, shop | {"customers": back})
