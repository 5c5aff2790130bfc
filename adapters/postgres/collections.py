"""``ports.collections.CollectionBook`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.rows import as_rows
from ports.catalogue import ProductKey
from ports.collections import (
    CollectionKey,
    CollectionsNamed,
    CollectionSync,
    InDoubt,
    Membership,
)

_COLUMNS: Final = "merchant_id, collections, whole_at, claim, tries, problem, synced_at"
# A change of what is named takes it from whoever works on what was named before.
_NAME: Final = text(
    """
    INSERT INTO collection_syncs AS s (
        merchant_id, collections, version, claim, tries, problem, whole_at, held_until, due_at
    )
    SELECT merchant_id, collections, version, 0, 0, '', CAST(:now AS timestamptz),
        CAST(:now AS timestamptz),
        CASE WHEN collections <> '[]' THEN CAST(:now AS timestamptz) END
    FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, collections jsonb, version bigint)
    ON CONFLICT (merchant_id) DO UPDATE SET
        collections = excluded.collections, version = excluded.version,
        claim = s.claim + CAST(s.collections <> excluded.collections AS integer),
        tries = CASE WHEN s.collections <> excluded.collections THEN 0 ELSE s.tries END,
        problem = CASE WHEN s.collections <> excluded.collections THEN '' ELSE s.problem END,
        whole_at = CASE WHEN s.collections <> excluded.collections
            THEN excluded.whole_at ELSE s.whole_at END,
        held_until = CASE WHEN s.collections <> excluded.collections
            THEN excluded.held_until ELSE s.held_until END,
        due_at = CASE WHEN s.collections <> excluded.collections
            THEN excluded.whole_at ELSE s.due_at END
    WHERE s.version < excluded.version
    """
)
_RESTART: Final = text(
    """
    UPDATE collection_syncs SET whole_at = :now, due_at = :now, held_until = :now,
        claim = claim + 1
    WHERE merchant_id IN (
        SELECT merchant_id FROM collection_syncs
        WHERE merchant_id = ANY(CAST(:merchants AS uuid[])) AND collections <> '[]'
        ORDER BY merchant_id FOR UPDATE
    )
    """
)
_DOUBT: Final = text(
    """
    INSERT INTO products_in_doubt AS d (merchant_id, product_id, since)
    SELECT merchant_id, product_id, CAST(:now AS timestamptz)
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:products AS text[]))
        AS k (merchant_id, product_id)
    JOIN collection_syncs s USING (merchant_id)
    WHERE s.collections <> '[]'
    ORDER BY merchant_id, product_id
    ON CONFLICT (merchant_id, product_id) DO UPDATE SET since = excluded.since
    """
)
_DOUBT_COLLECTIONS: Final = text(
    """
    INSERT INTO collections_in_doubt AS d (merchant_id, collection_id, since)
    SELECT merchant_id, collection_id, CAST(:now AS timestamptz)
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:collections AS text[]))
        AS k (merchant_id, collection_id)
    JOIN collection_syncs s USING (merchant_id)
    WHERE s.collections @> to_jsonb(k.collection_id)
    ORDER BY merchant_id, collection_id
    ON CONFLICT (merchant_id, collection_id) DO UPDATE SET since = excluded.since
    RETURNING merchant_id
    """
)
_LOOK: Final = text(
    """
    UPDATE collection_syncs SET due_at = least(due_at, CAST(:look_at AS timestamptz))
    WHERE merchant_id IN (
        SELECT merchant_id FROM collection_syncs
        WHERE merchant_id = ANY(CAST(:merchants AS uuid[])) AND collections <> '[]'
        ORDER BY merchant_id FOR UPDATE
    )
    """
)
_SYNC: Final = text(f"SELECT {_COLUMNS} FROM collection_syncs WHERE merchant_id = :merchant_id")
_TAKE_DUE: Final = text(
    f"""
    UPDATE collection_syncs SET claim = claim + 1, held_until = :until
    WHERE merchant_id IN (
        SELECT merchant_id FROM collection_syncs WHERE due_at <= :now AND held_until <= :now
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
    """
)
_HOLD: Final = text(
    """
    UPDATE collection_syncs SET held_until = :until
    WHERE merchant_id = :merchant_id AND claim = :claim
    """
)
_DOUBTED: Final = text(
    """
    SELECT product_id, since FROM products_in_doubt
    WHERE merchant_id = :merchant_id AND since <= :by
    ORDER BY since, product_id
    """
)
_DOUBTED_COLLECTIONS: Final = text(
    """
    SELECT collection_id, since FROM collections_in_doubt
    WHERE merchant_id = :merchant_id AND since <= :by
    ORDER BY since, collection_id
    """
)
_SETTLE: Final = text(
    """
    DELETE FROM products_in_doubt AS d
    USING json_to_recordset(CAST(:rows AS json)) AS k (product_id text, since timestamptz)
    WHERE d.merchant_id = :merchant_id AND d.product_id = k.product_id AND d.since <= k.since
    """
)
_SETTLE_COLLECTIONS: Final = text(
    """
    DELETE FROM collections_in_doubt AS d
    USING json_to_recordset(CAST(:rows AS json)) AS k (collection_id text, since timestamptz)
    WHERE d.merchant_id = :merchant_id AND d.collection_id = k.collection_id
        AND d.since <= k.since
    """
)
_INSIDE: Final = text(
    """
    SELECT product_id, collections FROM product_collections
    WHERE merchant_id = :merchant_id AND collections <> '[]'
    """
)
_SIZES: Final = text(
    """
    SELECT e.collection_id, count(*) AS size
    FROM product_collections p, jsonb_array_elements_text(p.collections) AS e (collection_id)
    WHERE p.merchant_id = :merchant_id GROUP BY e.collection_id
    """
)
# A product that never was in any needs no row; one that was keeps its version.
_LEARN: Final = text(
    """
    INSERT INTO product_collections AS p (merchant_id, product_id, collections, version)
    SELECT CAST(:merchant_id AS uuid), k.product_id, k.collections, 1
    FROM json_to_recordset(CAST(:rows AS json)) AS k (product_id text, collections jsonb)
    WHERE k.collections <> '[]' OR EXISTS (
        SELECT FROM product_collections o
        WHERE o.merchant_id = :merchant_id AND o.product_id = k.product_id
    )
    ON CONFLICT (merchant_id, product_id) DO UPDATE SET
        collections = excluded.collections, version = p.version + 1
    WHERE p.collections <> excluded.collections
    RETURNING product_id, collections, version
    """
)
_KEEP: Final = text(
    """
    UPDATE collection_syncs AS s SET tries = :tries, problem = :problem, whole_at = :whole_at,
        synced_at = :synced_at, held_until = '-infinity',
        due_at = CASE
            WHEN s.collections = '[]' THEN NULL
            WHEN EXISTS (SELECT FROM products_in_doubt d WHERE d.merchant_id = s.merchant_id)
                OR EXISTS (SELECT FROM collections_in_doubt d WHERE d.merchant_id = s.merchant_id)
            THEN least(CAST(:whole_at AS timestamptz), CAST(:look_at AS timestamptz))
            ELSE CAST(:whole_at AS timestamptz)
        END
    WHERE merchant_id = :merchant_id AND claim = :claim
    """
)


class PostgresCollections:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def name(self, programs: Mapping[UUID, CollectionsNamed], now: datetime) -> None:
        rows = [
            {
                "merchant_id": each,
                "collections": programs[each].collections,
                "version": programs[each].version,
            }
            for each in sorted(programs)
        ]
        if rows:
            await self._connection.execute(_NAME, {"rows": as_rows(rows), "now": now})

    async def restart(self, merchants: Iterable[UUID], now: datetime) -> None:
        asked = sorted(merchants)
        if asked:
            await self._connection.execute(_RESTART, {"merchants": asked, "now": now})

    async def doubt(self, products: Iterable[ProductKey], now: datetime, look_at: datetime) -> None:
        keys = sorted(products)
        if not keys:
            return
        names: dict[str, Any] = {
            "merchants": [key.merchant_id for key in keys],
            "products": [key.product_id for key in keys],
        }
        await self._connection.execute(_DOUBT, names | {"now": now})
        await self._look({key.merchant_id for key in keys}, look_at)

    async def doubt_collections(
        self, collections: Iterable[CollectionKey], now: datetime, look_at: datetime
    ) -> None:
        keys = sorted(collections)
        if not keys:
            return
        names: dict[str, Any] = {
            "merchants": [key.merchant_id for key in keys],
            "collections": [key.collection_id for key in keys],
        }
        doubted = await self._connection.execute(_DOUBT_COLLECTIONS, names | {"now": now})
        await self._look({*doubted.scalars()}, look_at)

    async def _look(self, merchants: Iterable[UUID], look_at: datetime) -> None:
        if shops := sorted(merchants):
            await self._connection.execute(_LOOK, {"merchants": shops, "look_at": look_at})

    async def sync(self, merchant_id: UUID) -> CollectionSync | None:
        found = await self._connection.execute(_SYNC, {"merchant_id": merchant_id})
        row = found.one_or_none()
        return None if row is None else _sync(row)

    async def take_due(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[CollectionSync]:
        taken = await self._connection.execute(
            _TAKE_DUE, {"now": now, "until": until, "most": limit}
        )
        return [_sync(row) for row in taken]

    async def hold(self, row: CollectionSync, until: datetime) -> bool:
        asked = {"merchant_id": row.merchant_id, "claim": row.claim, "until": until}
        return (await self._connection.execute(_HOLD, asked)).rowcount == 1

    async def doubted(self, merchant_id: UUID, by: datetime) -> InDoubt:
        asked = {"merchant_id": merchant_id, "by": by}
        products = await self._connection.execute(_DOUBTED, asked)
        collections = await self._connection.execute(_DOUBTED_COLLECTIONS, asked)
        return InDoubt(
            {row.product_id: row.since for row in products},
            {row.collection_id: row.since for row in collections},
        )

    async def settle(self, merchant_id: UUID, doubted: InDoubt) -> None:
        for statement, name, settled in (
            (_SETTLE, "product_id", doubted.products),
            (_SETTLE_COLLECTIONS, "collection_id", doubted.collections),
        ):
            rows = [{name: each, "since": settled[each]} for each in sorted(settled)]
            if rows:
                told = {"merchant_id": merchant_id, "rows": as_rows(rows)}
                await self._connection.execute(statement, told)

    async def inside(self, merchant_id: UUID) -> Mapping[str, tuple[str, ...]]:
        rows = await self._connection.execute(_INSIDE, {"merchant_id": merchant_id})
        return {row.product_id: tuple(row.collections) for row in rows}

    async def sizes(self, merchant_id: UUID) -> Mapping[str, int]:
        rows = await self._connection.execute(_SIZES, {"merchant_id": merchant_id})
        return {row.collection_id: row.size for row in rows}

    async def learn(
        self, merchant_id: UUID, told: Mapping[str, tuple[str, ...]]
    ) -> Sequence[Membership]:
        rows = [{"product_id": each, "collections": told[each]} for each in sorted(told)]
        if not rows:
            return []
        asked = {"merchant_id": merchant_id, "rows": as_rows(rows)}
        news = await self._connection.execute(_LEARN, asked)
        return [Membership(row.product_id, tuple(row.collections), row.version) for row in news]

    async def keep(self, row: CollectionSync, look_at: datetime) -> None:
        # First the lock, so that what is written finds every product that came into doubt.
        if await self.hold(row, look_at):
            told = {
                "merchant_id": row.merchant_id,
                "claim": row.claim,
                "tries": row.tries,
                "problem": row.problem,
                "whole_at": row.whole_at,
                "synced_at": row.synced_at,
                "look_at": look_at,
            }
            await self._connection.execute(_KEEP, told)


def _sync(row: Row) -> CollectionSync:
    return CollectionSync(**(row._asdict() | {"collections": tuple(row.collections)}))
