"""``ports.merchant_keys.KeyStores`` on PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Row, text
from adapters.postgres.merchants import PostgresMerchants
from contracts.caller import NO_SHOP
from domain.keys import KeyState
from ports.key_management import ORGANIZATION
from ports.merchant_keys import KeyChanged, MasterRotation, StoredKey, Wrapped, WrappedCount
from ports.merchants import MerchantRow
from ports.sealing import NewKey, NewKeys

_DOMAIN: Final = text("SELECT shop_domain FROM merchants WHERE merchant_id = :merchant_id")
_KEYS: Final = """
    SELECT m.shop_domain, k.* FROM merchant_keys k JOIN merchants m USING (merchant_id)
"""
_KEYS_OF: Final = text(
    f"{_KEYS} WHERE k.merchant_id = :merchant_id ORDER BY k.created_at DESC, k.use, k.key_id"
)
_RETIRED: Final = text(
    f"{_KEYS} WHERE k.state = 'retired' ORDER BY k.retired_at, k.merchant_id LIMIT :most"
)
_RETIRE: Final = text(
    """
    UPDATE merchant_keys SET state = 'retired', retired_at = :now
    WHERE merchant_id = :merchant_id AND use = 'data' AND state = 'current'
    RETURNING key_id
    """
)
_ADD: Final = text(
    """
    INSERT INTO merchant_keys (merchant_id, use, key_id, state, wrapped, created_at)
    VALUES (:merchant_id, 'data', :key_id, 'current', :wrapped, :now)
    """
)
_DESTROY: Final = """
    UPDATE merchant_keys SET state = 'destroyed', wrapped = '', destroyed_at = :now
    WHERE merchant_id = :merchant_id AND state <> 'destroyed'
"""
_ALL: Final = " RETURNING key_id"
_THESE: Final = """
    AND use = 'data' AND state = 'retired' AND key_id = ANY(CAST(:key_ids AS text[]))
    RETURNING key_id
"""
_DROP_OLD_COLUMN: Final = text(
    """
    UPDATE merchants SET wrapped_key = '' WHERE merchant_id = :merchant_id AND wrapped_key <> ''
    """
)
# Its time is when it was written, which may be some time before it can be seen.
_CHANGES: Final = text(
    """
    SELECT c.merchant_id, c.version, NOT EXISTS (
        SELECT FROM merchant_keys k
        WHERE k.merchant_id = c.merchant_id AND k.use = 'data' AND k.state = 'current'
    ) AS destroyed
    FROM key_changes c
    WHERE c.recorded_at > CAST(:since AS timestamptz) - interval '2 minutes'
    """
)
_CLOCK: Final = text("SELECT clock_timestamp()")
_WITHOUT_VERSIONS: Final = text(
    """
    SELECT merchant_id, wrapped_key FROM merchants
    WHERE wrapped_key <> '' AND merchant_id > :after
    ORDER BY merchant_id LIMIT :most
    """
)
_TAKE_OVER: Final = text(
    """
    UPDATE merchants SET wrapped_key = ''
    WHERE merchant_id = :merchant_id AND wrapped_key = :text
    RETURNING installed_at
    """
)
_ROTATION: Final = text("SELECT prefix, started_at, finished_at FROM master_rotation")
_BEGIN: Final = text(
    """
    INSERT INTO master_rotation AS r (prefix, started_at) VALUES (:prefix, :now)
    ON CONFLICT (singleton) DO UPDATE SET
        prefix = excluded.prefix, started_at = excluded.started_at, finished_at = NULL
    WHERE r.prefix <> excluded.prefix OR r.finished_at IS NOT NULL
    """
)
_TRY_AGAIN: Final = (
    text("UPDATE merchant_keys SET not_rewrapped = '' WHERE not_rewrapped <> ''"),
    text("UPDATE admin_data_key SET not_rewrapped = '' WHERE not_rewrapped <> ''"),
    text("UPDATE organizations SET not_rewrapped = '' WHERE not_rewrapped <> ''"),
)
_END: Final = text(
    "UPDATE master_rotation SET finished_at = :now WHERE prefix = :prefix AND finished_at IS NULL"
)
# LoyalNest's own key and those of organisations are wrapped as those of shops are.
_EVERY: Final = f"""
    SELECT merchant_id, use, key_id, wrapped, not_rewrapped FROM merchant_keys WHERE wrapped <> ''
    UNION ALL
    SELECT CAST(:no_shop AS uuid), 'data', '', wrapped_key, not_rewrapped FROM admin_data_key
    UNION ALL
    SELECT organization_id, '{ORGANIZATION}', key_id, wrapped_key, not_rewrapped FROM organizations
    UNION ALL
    SELECT merchant_id, 'data', '', wrapped_key, :prefix FROM merchants WHERE wrapped_key <> ''
"""
_OTHERWISE: Final = text(
    f"""
    SELECT merchant_id, use, key_id, wrapped FROM ({_EVERY}) AS k
    WHERE NOT starts_with(wrapped, :prefix) AND not_rewrapped <> :prefix
    ORDER BY merchant_id, use, key_id LIMIT :most
    """
)
_COUNT: Final = text(
    f"""
    SELECT count(*) AS keys, count(*) FILTER (WHERE NOT starts_with(wrapped, :prefix)) AS left,
        count(*) FILTER (
            WHERE (key_id <> '' OR merchant_id = :no_shop) AND not_rewrapped = :prefix
                AND NOT starts_with(wrapped, :prefix)
        ) AS failed
    FROM ({_EVERY}) AS k
    """
)
_OF_SHOP: Final = """
    WHERE merchant_id = :merchant_id AND use = :use AND key_id = :key_id AND wrapped = :before
"""
_OUR_OWN: Final = "WHERE wrapped_key = :before"
_OF_ORGANIZATION: Final = "WHERE organization_id = :merchant_id AND wrapped_key = :before"
_REWRAP: Final = text(f"UPDATE merchant_keys SET wrapped = :text {_OF_SHOP}")
_REWRAP_OUR_OWN: Final = text(f"UPDATE admin_data_key SET wrapped_key = :text {_OUR_OWN}")
_REWRAP_ORGANIZATION: Final = text(
    f"UPDATE organizations SET wrapped_key = :text {_OF_ORGANIZATION}"
)
_GIVE_UP: Final = text(f"UPDATE merchant_keys SET not_rewrapped = :prefix {_OF_SHOP}")
_GIVE_UP_OUR_OWN: Final = text(f"UPDATE admin_data_key SET not_rewrapped = :prefix {_OUR_OWN}")
_GIVE_UP_ORGANIZATION: Final = text(
    f"UPDATE organizations SET not_rewrapped = :prefix {_OF_ORGANIZATION}"
)


class PostgresMerchantKeys(PostgresMerchants):
    async def lock_shop(self, merchant_id: UUID) -> MerchantRow:
        found = await self._connection.execute(_DOMAIN, {"merchant_id": merchant_id})
        return await self.lock(found.scalar_one())

    async def keys_of(self, merchant_id: UUID) -> Sequence[StoredKey]:
        rows = await self._connection.execute(_KEYS_OF, {"merchant_id": merchant_id})
        return [_stored(row) for row in rows]

    async def retired_keys(self, limit: int) -> Sequence[StoredKey]:
        rows = await self._connection.execute(_RETIRED, {"most": limit})
        return [_stored(row) for row in rows]

    async def rotate(self, merchant_id: UUID, new: NewKey, now: datetime) -> str:
        who = {"merchant_id": merchant_id, "now": now}
        retired: str = (await self._connection.execute(_RETIRE, who)).scalar_one()
        await self._connection.execute(_ADD, who | new._asdict())
        await self.note_change(merchant_id)
        return retired

    async def destroy(
        self, merchant_id: UUID, now: datetime, key_ids: Collection[str] | None = None
    ) -> Sequence[str]:
        values: dict[str, object] = {"merchant_id": merchant_id, "now": now}
        if key_ids is None:
            destroyed = await self._connection.execute(text(_DESTROY + _ALL), values)
            old = await self._connection.execute(_DROP_OLD_COLUMN, values)
            found = [*destroyed.scalars(), *[""] * old.rowcount]
        else:
            values["key_ids"] = list(key_ids)
            destroyed = await self._connection.execute(text(_DESTROY + _THESE), values)
            found = list(destroyed.scalars())
        if found:
            await self.note_change(merchant_id)
        return found

    async def changes(self, since: datetime | None) -> tuple[datetime, Sequence[KeyChanged]]:
        as_of: datetime = (await self._connection.execute(_CLOCK)).scalar_one()
        if since is None:
            return as_of, ()
        rows = await self._connection.execute(_CHANGES, {"since": since})
        return as_of, [KeyChanged(row.merchant_id, row.version, row.destroyed) for row in rows]

    async def without_versions(self, after: UUID, limit: int) -> Sequence[Wrapped]:
        rows = await self._connection.execute(_WITHOUT_VERSIONS, {"after": after, "most": limit})
        return [Wrapped(row.merchant_id, "data", "", row.wrapped_key) for row in rows]

    async def adopt(self, wrapped: Wrapped, keys: NewKeys) -> bool:
        values = {"merchant_id": wrapped.merchant_id, "text": wrapped.text}
        installed_at = (await self._connection.execute(_TAKE_OVER, values)).scalar_one_or_none()
        if installed_at is None:
            return False
        await self.give_keys(wrapped.merchant_id, keys, installed_at)
        return True

    async def rotation(self) -> MasterRotation | None:
        row = (await self._connection.execute(_ROTATION)).one_or_none()
        return None if row is None else MasterRotation(row.prefix, row.started_at, row.finished_at)

    async def begin_rotation(self, prefix: str, now: datetime) -> MasterRotation:
        begun = await self._connection.execute(_BEGIN, {"prefix": prefix, "now": now})
        if begun.rowcount:
            for statement in _TRY_AGAIN:
                await self._connection.execute(statement)
        row = (await self._connection.execute(_ROTATION)).one()
        return MasterRotation(row.prefix, row.started_at, row.finished_at)

    async def end_rotation(self, prefix: str, now: datetime) -> None:
        await self._connection.execute(_END, {"prefix": prefix, "now": now})

    async def wrapped_otherwise(self, prefix: str, limit: int) -> Sequence[Wrapped]:
        values = {"prefix": prefix, "no_shop": NO_SHOP, "most": limit}
        rows = await self._connection.execute(_OTHERWISE, values)
        return [Wrapped(row.merchant_id, row.use, row.key_id, row.wrapped) for row in rows]

    async def rewrap(self, wrapped: Wrapped, text: str) -> None:
        statement = _REWRAP if wrapped.key_id else _REWRAP_OUR_OWN
        if wrapped.use == ORGANIZATION:
            statement = _REWRAP_ORGANIZATION
        await self._connection.execute(statement, _which(wrapped) | {"text": text})

    async def give_up(self, wrapped: Wrapped, prefix: str) -> None:
        statement = _GIVE_UP if wrapped.key_id else _GIVE_UP_OUR_OWN
        if wrapped.use == ORGANIZATION:
            statement = _GIVE_UP_ORGANIZATION
        await self._connection.execute(statement, _which(wrapped) | {"prefix": prefix})

    async def count_wrapped(self, prefix: str) -> WrappedCount:
        values = {"prefix": prefix, "no_shop": NO_SHOP}
        row = (await self._connection.execute(_COUNT, values)).one()
        return WrappedCount(row.keys, row.left, row.failed)


def _which(wrapped: Wrapped) -> dict[str, object]:
    return {
        "merchant_id": wrapped.merchant_id,
        "use": wrapped.use,
        "key_id": wrapped.key_id,
        "before": wrapped.text,
    }


def _stored(row: Row) -> StoredKey:
    return StoredKey(
        merchant_id=row.merchant_id,
        shop_domain=row.shop_domain,
        use=row.use,
        key_id=row.key_id,
        state=KeyState(row.state),
        created_at=row.created_at,
        retired_at=row.retired_at,
        destroyed_at=row.destroyed_at,
    )
