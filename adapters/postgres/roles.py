"""``ports.roles.RoleBook`` on PostgreSQL."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ports.roles import RoleRow

# Sorted, so that two batches never wait for each other in a circle.
_ADD: Final = text(
    """
    INSERT INTO roles (merchant_id, role_id, name, permissions, updated_at)
    SELECT * FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:ids AS uuid[]), CAST(:names AS text[]),
        CAST(:permissions AS jsonb[]), CAST(:ats AS timestamptz[])
    ) AS k (merchant_id, role_id, name, permissions, updated_at)
    ORDER BY merchant_id, name
    ON CONFLICT (merchant_id, name) DO NOTHING
    RETURNING role_id
    """
)
_FIND: Final = "SELECT * FROM roles WHERE merchant_id = :merchant_id AND name = :name"
_FIND_ONE: Final = text(_FIND)
_LOCK: Final = text(f"{_FIND} FOR UPDATE")
_OF_SHOP: Final = text("SELECT * FROM roles WHERE merchant_id = :merchant_id ORDER BY name")
_CHANGE: Final = text(
    """
    UPDATE roles SET permissions = CAST(:permissions AS jsonb), updated_at = :updated_at
    WHERE merchant_id = :merchant_id AND role_id = :role_id
    """
)


class PostgresRoleBook:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, roles: Iterable[RoleRow]) -> Sequence[RoleRow]:
        roles = list(roles)
        added = await self._connection.execute(
            _ADD,
            {
                "merchants": [role.merchant_id for role in roles],
                "ids": [role.role_id for role in roles],
                "names": [role.name for role in roles],
                "permissions": [_json(role.permissions) for role in roles],
                "ats": [role.updated_at for role in roles],
            },
        )
        ids = set(added.scalars())
        return [role for role in roles if role.role_id in ids]

    async def find(self, merchant_id: UUID, name: str) -> RoleRow | None:
        rows = await self._connection.execute(_FIND_ONE, {"merchant_id": merchant_id, "name": name})
        return _role_or_none(rows.one_or_none())

    async def lock(self, merchant_id: UUID, name: str) -> RoleRow | None:
        rows = await self._connection.execute(_LOCK, {"merchant_id": merchant_id, "name": name})
        return _role_or_none(rows.one_or_none())

    async def of_shop(self, merchant_id: UUID) -> Sequence[RoleRow]:
        rows = await self._connection.execute(_OF_SHOP, {"merchant_id": merchant_id})
        return [_role(row) for row in rows]

    async def change(self, role: RoleRow) -> None:
        await self._connection.execute(
            _CHANGE,
            {
                "merchant_id": role.merchant_id,
                "role_id": role.role_id,
                "permissions": _json(role.permissions),
                "updated_at": role.updated_at,
            },
        )


def _json(permissions: tuple[str, ...] | None) -> str | None:
    return None if permissions is None else msgspec.json.encode(permissions).decode()


def _role_or_none(row: Row[Any] | None) -> RoleRow | None:
    return None if row is None else _role(row)


def _role(row: Row[Any]) -> RoleRow:
    stored = row.permissions
    if isinstance(stored, str):
        stored = msgspec.json.decode(stored)
    return RoleRow(
        merchant_id=row.merchant_id,
        role_id=row.role_id,
        name=row.name,
        permissions=None if stored is None else tuple(stored),
        updated_at=row.updated_at,
    )
