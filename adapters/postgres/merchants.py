"""``ports.merchants.Merchants`` on PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from ports.merchants import MerchantRow, Status, Suspension
from ports.sealing import NewKeys, WrappedKeys

_SELECT: Final = """
    SELECT m.merchant_id, m.shop_domain, m.status, m.currency, m.time_zone, m.installed_at,
        m.seen_at, m.changed_at, m.suspended_at, m.suspended_by, m.suspension_reason,
        coalesce(k.data, m.wrapped_key) AS data_key,
        coalesce(k.for_indexes, '') AS index_key, coalesce(k.older, '{}') AS older_keys,
        coalesce(c.version, 0) AS keys_version
    FROM merchants m
    LEFT JOIN key_changes c ON c.merchant_id = m.merchant_id
    LEFT JOIN LATERAL (
        SELECT max(wrapped) FILTER (WHERE use = 'data' AND state = 'current') AS data,
            max(wrapped) FILTER (WHERE use = 'index' AND state = 'current') AS for_indexes,
            array_agg(wrapped ORDER BY retired_at DESC)
                FILTER (WHERE use = 'data' AND state = 'retired') AS older
        FROM merchant_keys WHERE merchant_id = m.merchant_id
    ) k ON true
"""
_BY_IDS: Final = text(f"{_SELECT} WHERE m.merchant_id = ANY(CAST(:ids AS uuid[]))")
_BY_DOMAIN: Final = text(f"{_SELECT} WHERE m.shop_domain = :shop_domain")
# First, and by itself: what is joined to a row that had to be waited for would be old.
_LOCK: Final = text("SELECT FROM merchants WHERE shop_domain = :shop_domain FOR UPDATE")
_ADD: Final = text(
    """
    INSERT INTO merchants (
        merchant_id, shop_domain, status, currency, time_zone, wrapped_key, installed_at, seen_at,
        changed_at
    )
    VALUES (
        :merchant_id, :shop_domain, :status, :currency, :time_zone, '', :installed_at, :seen_at,
        :changed_at
    )
    ON CONFLICT (shop_domain) DO NOTHING
    """
)
_GIVE_KEYS: Final = text(
    """
    INSERT INTO merchant_keys (merchant_id, use, key_id, state, wrapped, created_at)
    VALUES (:merchant_id, 'data', :data_id, 'current', :data, :now),
        (:merchant_id, 'index', :index_id, 'current', :index, :now)
    """
)
_CHANGED: Final = text(
    """
    INSERT INTO key_changes AS c (merchant_id, version, recorded_at)
    VALUES (:merchant_id, 1, clock_timestamp())
    ON CONFLICT (merchant_id) DO UPDATE SET
        version = c.version + 1, recorded_at = excluded.recorded_at
    """
)
_KEEP: Final = text(
    """
    UPDATE merchants SET status = :status, currency = :currency, time_zone = :time_zone,
        installed_at = :installed_at, seen_at = :seen_at, changed_at = :changed_at,
        suspended_at = :suspended_at, suspended_by = :suspended_by,
        suspension_reason = :suspension_reason
    WHERE merchant_id = :merchant_id
    """
)
_FIRST: Final = UUID(int=0)
_SUSPENDED: Final = text(
    f"""
    {_SELECT} WHERE m.suspended_at IS NOT NULL AND m.merchant_id > :after
    ORDER BY m.merchant_id LIMIT :most
    """
)
_SEEN: Final = text(
    "UPDATE merchants SET seen_at = :at WHERE merchant_id = :merchant_id AND seen_at < :at"
)
# Locked in one order everywhere, so that no two batches deadlock.
_UNINSTALL: Final = text(
    """
    WITH gone AS (
        SELECT m.merchant_id
        FROM unnest(CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[])) AS k (merchant_id, at)
        JOIN merchants m USING (merchant_id)
        WHERE m.status <> 'uninstalled' AND m.seen_at < k.at
        ORDER BY m.merchant_id
        FOR UPDATE OF m
    )
    UPDATE merchants m SET status = 'uninstalled', changed_at = :now
    FROM gone WHERE m.merchant_id = gone.merchant_id
    RETURNING m.merchant_id
    """
)


class PostgresMerchants:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def by_id(self, merchant_id: UUID) -> MerchantRow | None:
        found = await self._connection.execute(_BY_IDS, {"ids": [merchant_id]})
        return _merchant_or_none(found.one_or_none())

    async def by_domain(self, shop_domain: str) -> MerchantRow | None:
        found = await self._connection.execute(_BY_DOMAIN, {"shop_domain": shop_domain})
        return _merchant_or_none(found.one_or_none())

    async def add(self, merchant: MerchantRow, keys: NewKeys) -> bool:
        added = await self._connection.execute(_ADD, asdict(merchant))
        if added.rowcount == 0:
            return False
        await self.give_keys(merchant.merchant_id, keys, merchant.changed_at)
        return True

    async def give_keys(self, merchant_id: UUID, keys: NewKeys, now: datetime) -> None:
        values = {
            "data_id": keys.data.key_id,
            "data": keys.data.wrapped,
            "index_id": keys.index.key_id,
            "index": keys.index.wrapped,
        }
        who = {"merchant_id": merchant_id}
        await self._connection.execute(_GIVE_KEYS, who | values | {"now": now})
        await self.note_change(merchant_id)

    async def note_change(self, merchant_id: UUID) -> None:
        """The keys of a shop are others now."""
        await self._connection.execute(_CHANGED, {"merchant_id": merchant_id})

    async def lock(self, shop_domain: str) -> MerchantRow:
        values = {"shop_domain": shop_domain}
        await self._connection.execute(_LOCK, values)
        return _merchant((await self._connection.execute(_BY_DOMAIN, values)).one())

    async def keep(self, merchant: MerchantRow) -> None:
        why = merchant.suspension
        values = {
            "suspended_at": None if why is None else why.at,
            "suspended_by": "" if why is None else why.by,
            "suspension_reason": "" if why is None else why.reason,
        }
        await self._connection.execute(_KEEP, asdict(merchant) | values)

    async def suspended(self, after: UUID | None, limit: int) -> Sequence[MerchantRow]:
        rows = await self._connection.execute(_SUSPENDED, {"after": after or _FIRST, "most": limit})
        return [_merchant(row) for row in rows]

    async def seen(self, merchant_id: UUID, at: datetime) -> None:
        await self._connection.execute(_SEEN, {"merchant_id": merchant_id, "at": at})

    async def uninstall(self, at: Mapping[UUID, datetime], now: datetime) -> Sequence[MerchantRow]:
        gone = await self._connection.execute(
            _UNINSTALL, {"ids": list(at), "ats": list(at.values()), "now": now}
        )
        rows = await self._connection.execute(_BY_IDS, {"ids": list(gone.scalars())})
        return [_merchant(row) for row in rows]


def _merchant_or_none(row: Row | None) -> MerchantRow | None:
    return None if row is None else _merchant(row)


def _merchant(row: Row) -> MerchantRow:
    return MerchantRow(
        merchant_id=row.merchant_id,
        shop_domain=row.shop_domain,
        status=Status(row.status),
        currency=row.currency,
        time_zone=row.time_zone,
        keys=WrappedKeys(row.data_key, row.index_key, tuple(row.older_keys), row.keys_version),
        installed_at=row.installed_at,
        seen_at=row.seen_at,
        changed_at=row.changed_at,
        suspension=None
        if row.suspended_at is None
        else Suspension(row.suspended_at, row.suspended_by, row.suspension_reason),
    )
