"""``ports.roles.RoleBook`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.rows import as_rows
from ports.roles import AssignmentRow, RoleRow

# The row is locked by being counted up, so it is what changes of one shop wait for.
_BEGIN_CHANGE: Final = text(
    """
    INSERT INTO changes AS c (merchant_id, version) VALUES (:merchant_id, 1)
    ON CONFLICT (merchant_id) DO UPDATE SET version = c.version + 1
    """
)
_VERSIONS: Final = text(
    "SELECT merchant_id, version FROM changes WHERE merchant_id = ANY(CAST(:merchants AS uuid[]))"
)
# Sorted, so that two batches never wait for each other in a circle.
_ADD: Final = text(
    """
    INSERT INTO roles (merchant_id, role_id, name, permissions, inherits, updated_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, role_id uuid, name text, permissions jsonb, inherits jsonb,
        updated_at timestamptz
    )
    ORDER BY merchant_id, name
    ON CONFLICT (merchant_id, name) DO NOTHING
    RETURNING role_id
    """
)
_OF_SHOP: Final = text("SELECT * FROM roles WHERE merchant_id = :merchant_id ORDER BY name")
_CHANGE: Final = text(
    """
    UPDATE roles SET permissions = CAST(:permissions AS jsonb),
        inherits = CAST(:inherits AS jsonb), updated_at = :updated_at
    WHERE merchant_id = :merchant_id AND name = :name
    """
)
_REMOVE: Final = text("DELETE FROM roles WHERE merchant_id = :merchant_id AND name = :name")
_ASSIGNMENT: Final = text(
    "SELECT * FROM assignments WHERE merchant_id = :merchant_id AND subject = :subject"
)
_ASSIGNMENTS: Final = text(
    """
    SELECT * FROM assignments
    WHERE merchant_id = :merchant_id AND subject > :after AND role <> ''
    ORDER BY subject LIMIT :most
    """
)
_HOLDERS: Final = text(
    "SELECT subject FROM assignments WHERE merchant_id = :merchant_id AND role = :role LIMIT :most"
)
_ASSIGN: Final = text(
    """
    INSERT INTO assignments (merchant_id, subject, role, updated_at)
    VALUES (:merchant_id, :subject, :role, :updated_at)
    ON CONFLICT (merchant_id, subject)
    DO UPDATE SET role = excluded.role, updated_at = excluded.updated_at
    """
)


class PostgresRoleBook:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin_change(self, merchant_id: UUID) -> None:
        await self._connection.execute(_BEGIN_CHANGE, {"merchant_id": merchant_id})

    async def versions(self, merchant_ids: Iterable[UUID]) -> Mapping[UUID, int]:
        rows = await self._connection.execute(_VERSIONS, {"merchants": list(merchant_ids)})
        return {row.merchant_id: row.version for row in rows}

    async def add(self, roles: Iterable[RoleRow]) -> Sequence[RoleRow]:
        roles = list(roles)
        rows = as_rows(
            {
                "merchant_id": role.merchant_id,
                "role_id": role.role_id,
                "name": role.name,
                "permissions": role.permissions,
                "inherits": role.inherits,
                "updated_at": role.updated_at,
            }
            for role in roles
        )
        added = await self._connection.execute(_ADD, {"rows": rows})
        ids = set(added.scalars())
        return [role for role in roles if role.role_id in ids]

    async def of_shop(self, merchant_id: UUID) -> Sequence[RoleRow]:
        rows = await self._connection.execute(_OF_SHOP, {"merchant_id": merchant_id})
        return [_role(row) for row in rows]

    async def change(self, role: RoleRow) -> None:
        await self._connection.execute(
            _CHANGE,
            {
                "merchant_id": role.merchant_id,
                "name": role.name,
                "permissions": msgspec.json.encode(role.permissions).decode(),
                "inherits": msgspec.json.encode(role.inherits).decode(),
                "updated_at": role.updated_at,
            },
        )

    async def remove(self, role: RoleRow) -> None:
        await self._connection.execute(
            _REMOVE, {"merchant_id": role.merchant_id, "name": role.name}
        )

    async def assignment(self, merchant_id: UUID, subject: str) -> AssignmentRow | None:
        rows = await self._connection.execute(
            _ASSIGNMENT, {"merchant_id": merchant_id, "subject": subject}
        )
        row = rows.one_or_none()
        return None if row is None else _assignment(row)

    async def assignments(
        self, merchant_id: UUID, after: str, most: int
    ) -> Sequence[AssignmentRow]:
        rows = await self._connection.execute(
            _ASSIGNMENTS, {"merchant_id": merchant_id, "after": after, "most": most}
        )
        return [_assignment(row) for row in rows]

    async def holders(self, merchant_id: UUID, role: str, most: int) -> Sequence[str]:
        rows = await self._connection.execute(
            _HOLDERS, {"merchant_id": merchant_id, "role": role, "most": most}
        )
        return list(rows.scalars())

    async def assign(self, assignment: AssignmentRow) -> None:
        await self._connection.execute(
            _ASSIGN,
            {
                "merchant_id": assignment.merchant_id,
                "subject": assignment.subject,
                "role": assignment.role,
                "updated_at": assignment.updated_at,
            },
        )


def _role(row: Row) -> RoleRow:
    return RoleRow(
        merchant_id=row.merchant_id,
        role_id=row.role_id,
        name=row.name,
        permissions=None if row.permissions is None else tuple(row.permissions),
        inherits=tuple(row.inherits),
        updated_at=row.updated_at,
    )


def _assignment(row: Row) -> AssignmentRow:
    return AssignmentRow(
        merchant_id=row.merchant_id,
        subject=row.subject,
        role=row.role,
        updated_at=row.updated_at,
    )
