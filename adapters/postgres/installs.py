"""``ports.installs.InstallStores`` on PostgreSQL."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import text
from adapters.postgres.merchants import PostgresMerchants
from adapters.postgres.rows import as_rows
from ports.installs import Install, ScopeChange, SealedPair

_FIND: Final = text("SELECT * FROM installs WHERE merchant_id = :merchant_id")
_GRANT: Final = text(
    """
    INSERT INTO installs AS i (
        merchant_id, sealed_pair, access_expires_at, refresh_expires_at, scopes, scopes_at, version
    )
    VALUES (
        :merchant_id, :sealed, :access_expires_at, :refresh_expires_at, :scopes, :granted_at, 1
    )
    ON CONFLICT (merchant_id) DO UPDATE SET
        sealed_pair = excluded.sealed_pair, access_expires_at = excluded.access_expires_at,
        refresh_expires_at = excluded.refresh_expires_at, scopes = excluded.scopes,
        scopes_at = excluded.scopes_at, version = i.version + 1
    RETURNING version
    """
)
_ROTATE: Final = text(
    """
    UPDATE installs SET sealed_pair = :sealed, access_expires_at = :access_expires_at,
        refresh_expires_at = :refresh_expires_at, scopes = :scopes, scopes_at = :granted_at,
        version = version + 1
    WHERE merchant_id = :merchant_id AND version = :version AND sealed_pair IS NOT NULL
    """
)
_LOSE: Final = text(
    """
    UPDATE installs SET sealed_pair = NULL WHERE merchant_id = :merchant_id AND version = :version
    """
)
# Locked in one order everywhere, so that no two batches deadlock.
_DROP: Final = text(
    """
    WITH gone AS (
        SELECT merchant_id FROM installs WHERE merchant_id = ANY(CAST(:ids AS uuid[]))
        ORDER BY merchant_id
        FOR UPDATE
    )
    UPDATE installs i SET sealed_pair = NULL FROM gone WHERE i.merchant_id = gone.merchant_id
    """
)
_CHANGE_SCOPES: Final = text(
    """
    WITH changed AS (
        SELECT i.merchant_id, r.granted, r.changed_at
        FROM json_to_recordset(CAST(:rows AS json))
            AS r (merchant_id uuid, granted text[], changed_at timestamptz)
        JOIN installs i USING (merchant_id)
        WHERE i.scopes_at < r.changed_at
        ORDER BY i.merchant_id
        FOR UPDATE OF i
    )
    UPDATE installs i SET scopes = changed.granted, scopes_at = changed.changed_at
    FROM changed WHERE i.merchant_id = changed.merchant_id
    """
)
_KEEP_STATE: Final = text(
    """
    INSERT INTO install_states (digest, shop_domain, expires_at)
    VALUES (:digest, :shop_domain, :expires_at)
    """
)
_TAKE_STATE: Final = text(
    "DELETE FROM install_states WHERE digest = :digest RETURNING shop_domain, expires_at"
)
_SPEND: Final = text(
    """
    INSERT INTO spent_tokens (digest, expires_at) VALUES (:digest, :expires_at)
    ON CONFLICT (digest) DO NOTHING
    """
)
_FORGET: Final = (
    text("DELETE FROM install_states WHERE expires_at <= :now"),
    text("DELETE FROM spent_tokens WHERE expires_at <= :now"),
)


class PostgresInstalls(PostgresMerchants):
    """Also the shops themselves: an installation changes both or neither."""

    async def install(self, merchant_id: UUID) -> Install | None:
        found = await self._connection.execute(_FIND, {"merchant_id": merchant_id})
        row = found.one_or_none()
        if row is None:
            return None
        if row.sealed_pair is None:
            return Install(None, row.version)
        return Install(
            SealedPair(
                sealed=row.sealed_pair,
                access_expires_at=row.access_expires_at,
                refresh_expires_at=row.refresh_expires_at,
                scopes=tuple(row.scopes),
                granted_at=row.scopes_at,
            ),
            row.version,
        )

    async def grant(self, merchant_id: UUID, pair: SealedPair) -> int:
        values = {"merchant_id": merchant_id, **_values(pair)}
        version: int = (await self._connection.execute(_GRANT, values)).scalar_one()
        return version

    async def rotate(self, merchant_id: UUID, version: int, pair: SealedPair) -> bool:
        values = {"merchant_id": merchant_id, "version": version, **_values(pair)}
        return (await self._connection.execute(_ROTATE, values)).rowcount == 1

    async def lose(self, merchant_id: UUID, version: int) -> None:
        await self._connection.execute(_LOSE, {"merchant_id": merchant_id, "version": version})

    async def drop_pairs(self, merchant_ids: Iterable[UUID]) -> None:
        await self._connection.execute(_DROP, {"ids": list(merchant_ids)})

    async def change_scopes(self, changes: Mapping[UUID, ScopeChange]) -> None:
        rows = as_rows(
            {"merchant_id": merchant_id, "granted": each.granted, "changed_at": each.changed_at}
            for merchant_id, each in changes.items()
        )
        await self._connection.execute(_CHANGE_SCOPES, {"rows": rows})

    async def keep_state(self, digest: bytes, shop_domain: str, expires_at: datetime) -> None:
        await self._connection.execute(
            _KEEP_STATE,
            {"digest": digest, "shop_domain": shop_domain, "expires_at": expires_at},
        )

    async def take_state(self, digest: bytes, now: datetime) -> str:
        found = await self._connection.execute(_TAKE_STATE, {"digest": digest})
        row = found.one_or_none()
        return "" if row is None or row.expires_at <= now else str(row.shop_domain)

    async def spend(self, digest: bytes, expires_at: datetime) -> bool:
        values = {"digest": digest, "expires_at": expires_at}
        return (await self._connection.execute(_SPEND, values)).rowcount == 1

    async def forget_over(self, now: datetime) -> None:
        for statement in _FORGET:
            await self._connection.execute(statement, {"now": now})


def _values(pair: SealedPair) -> dict[str, object]:
    return {
        "sealed": pair.sealed,
        "access_expires_at": pair.access_expires_at,
        "refresh_expires_at": pair.refresh_expires_at,
        "scopes": list(pair.scopes),
        "granted_at": pair.granted_at,
    }
