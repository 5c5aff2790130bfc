"""``ports.impersonations.Impersonations`` on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from domain.admins.impersonation import SUBJECT_PREFIX
from ports.impersonations import Impersonation

_SHOP_STATUS: Final = text("SELECT status FROM merchants WHERE merchant_id = :merchant_id")
_ADD: Final = text(
    """
    INSERT INTO impersonation_sessions (
        impersonation_id, merchant_id, admin_id, staff_name, role, reason, started_at, ends_at,
        ended_at, ended_by
    )
    VALUES (
        :impersonation_id, :merchant_id, :admin_id, :staff_name, :role, :reason, :started_at,
        :ends_at, :ended_at, :ended_by
    )
    """
)
_FIND: Final = text(
    "SELECT * FROM impersonation_sessions WHERE impersonation_id = :impersonation_id"
)
_END: Final = text(
    """
    UPDATE impersonation_sessions SET ended_at = :now, ended_by = :by
    WHERE impersonation_id = :impersonation_id AND ended_at IS NULL AND ends_at > :now
        AND (CAST(:merchant_id AS uuid) IS NULL OR merchant_id = :merchant_id)
    RETURNING *
    """
)
# Locked in one order everywhere, so that no two who end them deadlock.
_END_OF_ADMIN: Final = text(
    """
    WITH those AS (
        SELECT impersonation_id FROM impersonation_sessions
        WHERE admin_id = :admin_id AND ended_at IS NULL AND ends_at > :now
        ORDER BY impersonation_id FOR UPDATE
    )
    UPDATE impersonation_sessions i SET ended_at = :now, ended_by = :by
    FROM those WHERE i.impersonation_id = those.impersonation_id
    RETURNING i.*
    """
)
_END_OVERDUE: Final = text(
    """
    WITH those AS (
        SELECT impersonation_id FROM impersonation_sessions
        WHERE ended_at IS NULL AND ends_at <= :now
        ORDER BY impersonation_id LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE impersonation_sessions i SET ended_at = i.ends_at, ended_by = :by
    FROM those WHERE i.impersonation_id = those.impersonation_id
    RETURNING i.*
    """
)
_LEFT_OPEN: Final = text(
    """
    SELECT DISTINCT i.impersonation_id
    FROM impersonation_sessions i
    JOIN sessions s ON s.subject = :prefix || CAST(i.impersonation_id AS text)
    WHERE i.ended_at IS NOT NULL AND i.ends_at > :now
        AND s.audience = 'merchant' AND s.revoked_at IS NULL
    """
)
_PAGE: Final = text(
    """
    SELECT * FROM impersonation_sessions
    WHERE (CAST(:merchant_id AS uuid) IS NULL OR merchant_id = :merchant_id)
        AND (CAST(:after AS uuid) IS NULL OR impersonation_id < :after)
    ORDER BY impersonation_id DESC LIMIT :most
    """
)


class PostgresImpersonations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def shop_is_active(self, merchant_id: UUID) -> bool | None:
        found = await self._connection.execute(_SHOP_STATUS, {"merchant_id": merchant_id})
        status = found.scalar_one_or_none()
        return None if status is None else status == "active"

    async def add(self, impersonation: Impersonation) -> None:
        await self._connection.execute(_ADD, asdict(impersonation))

    async def find(self, impersonation_id: UUID) -> Impersonation | None:
        found = await self._connection.execute(_FIND, {"impersonation_id": impersonation_id})
        return _impersonation_or_none(found.one_or_none())

    async def end(
        self, impersonation_id: UUID, merchant_id: UUID | None, by: str, now: datetime
    ) -> Impersonation | None:
        which = {"impersonation_id": impersonation_id, "merchant_id": merchant_id}
        ended = await self._connection.execute(_END, which | {"by": by, "now": now})
        return _impersonation_or_none(ended.one_or_none())

    async def end_of_admin(self, admin_id: UUID, by: str, now: datetime) -> Sequence[Impersonation]:
        rows = await self._connection.execute(
            _END_OF_ADMIN, {"admin_id": admin_id, "by": by, "now": now}
        )
        return [_impersonation(row) for row in rows]

    async def end_overdue(self, by: str, now: datetime, limit: int) -> Sequence[Impersonation]:
        rows = await self._connection.execute(_END_OVERDUE, {"by": by, "now": now, "most": limit})
        return [_impersonation(row) for row in rows]

    async def left_open(self, now: datetime) -> Sequence[UUID]:
        rows = await self._connection.execute(_LEFT_OPEN, {"prefix": SUBJECT_PREFIX, "now": now})
        return rows.scalars()

    async def page(
        self, merchant_id: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[Impersonation]:
        rows = await self._connection.execute(
            _PAGE, {"merchant_id": merchant_id, "after": after, "most": limit}
        )
        return [_impersonation(row) for row in rows]


def _impersonation_or_none(row: Row | None) -> Impersonation | None:
    return None if row is None else _impersonation(row)


def _impersonation(row: Row) -> Impersonation:
    return Impersonation(
        impersonation_id=row.impersonation_id,
        merchant_id=row.merchant_id,
        admin_id=row.admin_id,
        staff_name=row.staff_name,
        role=row.role,
        reason=row.reason,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
