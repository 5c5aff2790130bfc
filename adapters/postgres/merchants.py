"""``ports.merchants.Merchants`` on PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ports.merchants import MerchantRow, Status

_BY_ID: Final = text("SELECT * FROM merchants WHERE merchant_id = :merchant_id")
_BY_DOMAIN: Final = text("SELECT * FROM merchants WHERE shop_domain = :shop_domain")
_LOCK: Final = text("SELECT * FROM merchants WHERE shop_domain = :shop_domain FOR UPDATE")
_ADD: Final = text(
    """
    INSERT INTO merchants (
        merchant_id, shop_domain, status, currency, time_zone, wrapped_key, installed_at, seen_at,
        changed_at
    )
    VALUES (
        :merchant_id, :shop_domain, :status, :currency, :time_zone, :wrapped_key, :installed_at,
        :seen_at, :changed_at
    )
    ON CONFLICT (shop_domain) DO NOTHING
    """
)
_KEEP: Final = text(
    """
    UPDATE merchants SET status = :status, currency = :currency, time_zone = :time_zone,
        installed_at = :installed_at, seen_at = :seen_at, changed_at = :changed_at
    WHERE merchant_id = :merchant_id
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
    RETURNING m.*
    """
)


class PostgresMerchants:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def by_id(self, merchant_id: UUID) -> MerchantRow | None:
        found = await self._connection.execute(_BY_ID, {"merchant_id": merchant_id})
        return _merchant_or_none(found.one_or_none())

    async def by_domain(self, shop_domain: str) -> MerchantRow | None:
        found = await self._connection.execute(_BY_DOMAIN, {"shop_domain": shop_domain})
        return _merchant_or_none(found.one_or_none())

    async def add(self, merchant: MerchantRow) -> bool:
        return (await self._connection.execute(_ADD, asdict(merchant))).rowcount == 1

    async def lock(self, shop_domain: str) -> MerchantRow:
        return _merchant(
            (await self._connection.execute(_LOCK, {"shop_domain": shop_domain})).one()
        )

    async def keep(self, merchant: MerchantRow) -> None:
        await self._connection.execute(_KEEP, asdict(merchant))

    async def seen(self, merchant_id: UUID, at: datetime) -> None:
        await self._connection.execute(_SEEN, {"merchant_id": merchant_id, "at": at})

    async def uninstall(self, at: Mapping[UUID, datetime], now: datetime) -> Sequence[MerchantRow]:
        rows = await self._connection.execute(
            _UNINSTALL, {"ids": list(at), "ats": list(at.values()), "now": now}
        )
        return [_merchant(row) for row in rows]


def _merchant_or_none(row: Row[Any] | None) -> MerchantRow | None:
    return None if row is None else _merchant(row)


def _merchant(row: Row[Any]) -> MerchantRow:
    return MerchantRow(
        merchant_id=row.merchant_id,
        shop_domain=row.shop_domain,
        status=Status(row.status),
        currency=row.currency,
        time_zone=row.time_zone,
        wrapped_key=row.wrapped_key,
        installed_at=row.installed_at,
        seen_at=row.seen_at,
        changed_at=row.changed_at,
    )
