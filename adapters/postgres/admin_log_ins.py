"""``ports.admin_log_ins.LogIns`` on PostgreSQL, and the stores of a transaction about admins."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from adapters.postgres.admins import PostgresAdmins
from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.impersonations import PostgresImpersonations
from adapters.postgres.rows import as_rows
from domain.admins.guessing import Failures
from ports.admin_log_ins import AdminStores, Challenge, Step

# There may be no row to lock yet, so the name of the account is locked instead.
_HOLD: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_FAILURES: Final = text(
    """
    SELECT bucket, failures, last_at FROM admin_failures
    WHERE account = :account AND bucket = ANY(CAST(:buckets AS text[]))
    """
)
_KEEP_FAILURES: Final = text(
    """
    INSERT INTO admin_failures (account, bucket, failures, last_at)
    SELECT :account, bucket, failures, last_at
    FROM json_to_recordset(CAST(:rows AS json))
        AS r (bucket text, failures double precision, last_at timestamptz)
    ON CONFLICT (account, bucket) DO UPDATE SET
        failures = excluded.failures, last_at = excluded.last_at
    """
)
_DROP_FAILURES: Final = text(
    "DELETE FROM admin_failures WHERE account = :account AND bucket = ANY(CAST(:buckets AS text[]))"
)
_CLEAR_FAILURES: Final = text("DELETE FROM admin_failures WHERE account = :account")
_BEGIN: Final = text(
    """
    INSERT INTO admin_challenges (
        digest, admin_id, step, device, sealed_secret, tries, began_at, expires_at
    )
    VALUES (:digest, :admin_id, :step, :device, :sealed_secret, :tries, :began_at, :expires_at)
    """
)
_LOCK: Final = text(
    "SELECT * FROM admin_challenges WHERE digest = :digest AND expires_at > :now FOR UPDATE"
)
_KEEP: Final = text(
    """
    UPDATE admin_challenges SET sealed_secret = :sealed_secret, tries = :tries
    WHERE digest = :digest
    """
)
_END: Final = text("DELETE FROM admin_challenges WHERE digest = :digest")
_BEGIN_ERRAND: Final = text(
    "INSERT INTO admin_errands (digest, expires_at) VALUES (:digest, :expires_at)"
)
_TAKE_ERRAND: Final = text(
    "DELETE FROM admin_errands WHERE digest = :digest AND expires_at > :now RETURNING digest"
)
_DROP_OVER: Final = tuple(
    text(f"DELETE FROM {table} WHERE expires_at <= :now")
    for table in ("admin_challenges", "admin_errands", "admin_invitations")
)
_DROP_FORGOTTEN: Final = text("DELETE FROM admin_failures WHERE last_at <= :forgotten")
_DROP_UNUSED: Final = text("DELETE FROM admin_devices WHERE used_at <= :unused")


class PostgresLogIns:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def failures(self, account: str, buckets: Sequence[str]) -> Mapping[str, Failures]:
        await self._hold(account)
        rows = await self._connection.execute(
            _FAILURES, {"account": account, "buckets": list(buckets)}
        )
        return {row.bucket: Failures(row.failures, row.last_at) for row in rows}

    async def keep_failures(self, account: str, failures: Mapping[str, Failures]) -> None:
        kept = [
            {"bucket": bucket, "failures": each.count, "last_at": each.last_at}
            for bucket, each in failures.items()
            if each.last_at is not None
        ]
        empty = [bucket for bucket, each in failures.items() if each.last_at is None]
        if kept:
            rows = {"account": account, "rows": as_rows(kept)}
            await self._connection.execute(_KEEP_FAILURES, rows)
        if empty:
            await self._connection.execute(_DROP_FAILURES, {"account": account, "buckets": empty})

    async def clear_failures(self, account: str) -> None:
        await self._hold(account)
        await self._connection.execute(_CLEAR_FAILURES, {"account": account})

    async def begin(self, challenge: Challenge) -> None:
        await self._connection.execute(_BEGIN, asdict(challenge))

    async def lock_challenge(self, digest: bytes, now: datetime) -> Challenge | None:
        row = (await self._connection.execute(_LOCK, {"digest": digest, "now": now})).one_or_none()
        return None if row is None else _challenge(row)

    async def keep(self, challenge: Challenge) -> None:
        await self._connection.execute(_KEEP, asdict(challenge))

    async def end(self, digest: bytes) -> None:
        await self._connection.execute(_END, {"digest": digest})

    async def begin_errand(self, digest: bytes, expires_at: datetime) -> None:
        await self._connection.execute(_BEGIN_ERRAND, {"digest": digest, "expires_at": expires_at})

    async def take_errand(self, digest: bytes, now: datetime) -> bool:
        taken = await self._connection.execute(_TAKE_ERRAND, {"digest": digest, "now": now})
        return taken.one_or_none() is not None

    async def tidy(self, now: datetime, forgotten: datetime, unused: datetime) -> None:
        for statement in _DROP_OVER:
            await self._connection.execute(statement, {"now": now})
        await self._connection.execute(_DROP_FORGOTTEN, {"forgotten": forgotten})
        await self._connection.execute(_DROP_UNUSED, {"unused": unused})

    async def _hold(self, account: str) -> None:
        await self._connection.execute(_HOLD, {"name": f"admin failures {account}"})


def admin_stores(connection: Connection) -> AdminStores:
    return AdminStores(
        admins=PostgresAdmins(connection),
        log_ins=PostgresLogIns(connection),
        impersonations=PostgresImpersonations(connection),
    )


def _challenge(row: Row) -> Challenge:
    return Challenge(
        digest=bytes(row.digest),
        admin_id=row.admin_id,
        step=Step(row.step),
        device=row.device,
        sealed_secret=row.sealed_secret,
        tries=row.tries,
        began_at=row.began_at,
        expires_at=row.expires_at,
    )
