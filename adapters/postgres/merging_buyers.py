"""``ports.purchases.Buyers.merge`` on PostgreSQL: orders go over to who stands for their member."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from adapters.postgres.connection import text
from adapters.postgres.purchases import PostgresBuyers, profile_in
from adapters.postgres.rows import as_rows
from domain.merging import StandIn, ToldMerge, learn_merges
from ports.purchases import Bought, MemberKey

_HOLD_MERGES: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
# Of members never heard of too: their rows are what an order that is on its way meets.
_NEW: Final = text(
    """
    INSERT INTO profiles (merchant_id, customer_id, shopify_customer_id, orders, spent)
    SELECT :merchant_id, customer_id, '', 0, 0
    FROM unnest(CAST(:named AS uuid[])) AS k (customer_id) ORDER BY customer_id
    ON CONFLICT DO NOTHING
    """
)
_HOLD: Final = text(
    """
    SELECT * FROM profiles
    WHERE merchant_id = :merchant_id
        AND (customer_id = ANY(CAST(:named AS uuid[])) OR merged_into = ANY(CAST(:named AS uuid[])))
    ORDER BY customer_id FOR UPDATE
    """
)
_STAND_IN: Final = text(
    """
    UPDATE profiles p SET merged_into = k.kept_id, merge_version = k.version
    FROM json_to_recordset(CAST(:rows AS json))
        AS k (customer_id uuid, kept_id uuid, version bigint)
    WHERE p.merchant_id = :merchant_id AND p.customer_id = k.customer_id
    """
)
# Those that do not count, test orders and cancelled ones, never will: they stay where they are, and
# the index leaves them out.
_GIVE: Final = text(
    """
    UPDATE orders o SET customer_id = p.merged_into
    FROM profiles p
    WHERE p.merchant_id = :merchant_id AND p.customer_id = ANY(CAST(:merged AS uuid[]))
        AND o.merchant_id = p.merchant_id AND o.customer_id = p.customer_id AND o.counts
    """
)
_ADD_UP: Final = text(
    """
    UPDATE profiles p SET
        orders = coalesce(added.orders, 0), spent = coalesce(added.spent, 0),
        first_order_at = added.first_order_at, last_order_at = added.last_order_at
    FROM unnest(CAST(:changed AS uuid[])) AS k (customer_id)
    LEFT JOIN LATERAL (
        SELECT count(*) AS orders, sum(o.spend) AS spent, min(o.at) AS first_order_at,
            max(o.at) AS last_order_at
        FROM orders o
        WHERE o.merchant_id = :merchant_id AND o.customer_id = k.customer_id AND o.counts
    ) AS added ON true
    WHERE p.merchant_id = :merchant_id AND p.customer_id = k.customer_id
    RETURNING p.*
    """
)


class PostgresMergingBuyers(PostgresBuyers):
    async def merge(
        self, merchant_id: UUID, told: Sequence[ToldMerge]
    ) -> Mapping[MemberKey, Bought]:
        shop = {"merchant_id": merchant_id}
        await self._connection.execute(_HOLD_MERGES, {"name": f"merges/{merchant_id}"})
        named = list({each for merge in told for each in (merge.merged_id, merge.kept_id)})
        await self._connection.execute(_NEW, shop | {"named": named})
        before = {
            row.customer_id: row
            for row in await self._connection.execute(_HOLD, shop | {"named": named})
        }
        stand_ins = learn_merges(
            {
                customer_id: StandIn(row.merged_into, row.merge_version)
                for customer_id, row in before.items()
                if row.merge_version > 0
            },
            told,
        )
        rows = as_rows(
            {"customer_id": customer_id, "kept_id": each.kept_id, "version": each.version}
            for customer_id, each in stand_ins.items()
        )
        await self._connection.execute(_STAND_IN, shop | {"rows": rows})
        merged = [each for each, stand_in in stand_ins.items() if stand_in.kept_id is not None]
        await self._connection.execute(_GIVE, shop | {"merged": merged})
        after = await self._connection.execute(_ADD_UP, shop | {"changed": list(before)})
        bought = {
            MemberKey(merchant_id, row.customer_id): Bought(
                before=profile_in(before[row.customer_id]),
                after=profile_in(row),
                shopify_customer_id=row.shopify_customer_id,
            )
            for row in after
        }
        return {key: each for key, each in bought.items() if each.before != each.after}
