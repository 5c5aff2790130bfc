"""``ports.earning.EarningFacts`` on PostgreSQL."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from adapters.postgres.connection import Connection, text
from adapters.postgres.rows import as_rows
from domain.points.bonus import Buyer
from ports.earning import (
    BuyerFacts,
    BuyerKey,
    CollectionFacts,
    GoodsFacts,
    GoodsKey,
    KnownGoods,
)

_LEARN_BUYERS: Final = text(
    """
    INSERT INTO buyers AS b (merchant_id, customer_id, tier, segment, version)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, customer_id uuid, tier text, segment text, version bigint)
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        tier = excluded.tier, segment = excluded.segment, version = excluded.version
    WHERE b.version < excluded.version
    """
)
_BUYERS: Final = text(
    """
    SELECT b.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN buyers b USING (merchant_id, customer_id)
    """
)
_LEARN_GOODS: Final = text(
    """
    INSERT INTO goods AS g (merchant_id, product_id, tags, updated_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, product_id text, tags jsonb, updated_at timestamptz)
    ON CONFLICT (merchant_id, product_id) DO UPDATE SET
        tags = excluded.tags, updated_at = excluded.updated_at
    WHERE g.updated_at < excluded.updated_at
    """
)
_LEARN_COLLECTIONS: Final = text(
    """
    INSERT INTO goods_collections AS g (merchant_id, product_id, collections, version)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, product_id text, collections jsonb, version bigint)
    ON CONFLICT (merchant_id, product_id) DO UPDATE SET
        collections = excluded.collections, version = excluded.version
    WHERE g.version < excluded.version
    """
)
_GOODS: Final = text(
    """
    SELECT merchant_id, product_id, g.tags, c.collections
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:products AS text[]))
        AS k (merchant_id, product_id)
    LEFT JOIN goods g USING (merchant_id, product_id)
    LEFT JOIN goods_collections c USING (merchant_id, product_id)
    WHERE g.tags IS NOT NULL OR c.collections IS NOT NULL
    """
)


class PostgresEarningFacts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn_buyers(self, told: Mapping[BuyerKey, BuyerFacts]) -> None:
        # In one order everywhere, so that no two batches deadlock.
        rows = [
            key._asdict()
            | {
                "tier": told[key].buyer.tier,
                "segment": told[key].buyer.segment,
                "version": told[key].version,
            }
            for key in sorted(told)
        ]
        if rows:
            await self._connection.execute(_LEARN_BUYERS, {"rows": as_rows(rows)})

    async def buyers(self, keys: Iterable[BuyerKey]) -> Mapping[BuyerKey, Buyer]:
        asked = list(keys)
        if not asked:
            return {}
        names: dict[str, Any] = {
            "merchants": [key.merchant_id for key in asked],
            "customers": [key.customer_id for key in asked],
        }
        rows = await self._connection.execute(_BUYERS, names)
        return {
            BuyerKey(row.merchant_id, row.customer_id): Buyer(row.tier, row.segment) for row in rows
        }

    async def learn_goods(self, told: Mapping[GoodsKey, GoodsFacts]) -> None:
        rows = [
            key._asdict() | {"tags": told[key].tags, "updated_at": told[key].updated_at}
            for key in sorted(told)
        ]
        if rows:
            await self._connection.execute(_LEARN_GOODS, {"rows": as_rows(rows)})

    async def learn_collections(self, told: Mapping[GoodsKey, CollectionFacts]) -> None:
        rows = [
            key._asdict() | {"collections": told[key].collections, "version": told[key].version}
            for key in sorted(told)
        ]
        if rows:
            await self._connection.execute(_LEARN_COLLECTIONS, {"rows": as_rows(rows)})

    async def goods(self, keys: Iterable[GoodsKey]) -> Mapping[GoodsKey, KnownGoods]:
        asked = list(keys)
        if not asked:
            return {}
        names: dict[str, Any] = {
            "merchants": [key.merchant_id for key in asked],
            "products": [key.product_id for key in asked],
        }
        rows = await self._connection.execute(_GOODS, names)
        return {
            GoodsKey(row.merchant_id, row.product_id): KnownGoods(
                tuple(row.tags or ()), tuple(row.collections or ())
            )
            for row in rows
        }
