"""``ports.admins.Admins`` on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from ports.admins import Admin, Invitation, Status

# Two who make the key at once: the second waits for the first, and gets its key.
_ADD_KEY: Final = text(
    "INSERT INTO admin_data_key (wrapped_key) VALUES (:wrapped_key) ON CONFLICT DO NOTHING"
)
_KEY: Final = text("SELECT wrapped_key FROM admin_data_key")
_BY_EMAIL: Final = text("SELECT * FROM admin_users WHERE email_index = :email_index")
_BY_ID: Final = text("SELECT * FROM admin_users WHERE admin_id = :admin_id")
_LOCK: Final = text("SELECT * FROM admin_users WHERE admin_id = :admin_id FOR UPDATE")
_LOCK_ALL: Final = text("SELECT * FROM admin_users ORDER BY admin_id FOR UPDATE")
_PAGE: Final = text(
    """
    SELECT * FROM admin_users
    WHERE CAST(:after AS uuid) IS NULL OR admin_id < :after
    ORDER BY admin_id DESC LIMIT :most
    """
)
_ADD: Final = text(
    """
    INSERT INTO admin_users (
        admin_id, email_index, sealed_email, role, status, password_hash, sealed_secret, last_step,
        created_at, signed_out_at, logged_in_at
    )
    VALUES (
        :admin_id, :email_index, :sealed_email, :role, :status, :password_hash, :sealed_secret,
        :last_step, :created_at, :signed_out_at, :logged_in_at
    )
    ON CONFLICT (email_index) DO NOTHING
    """
)
_KEEP: Final = text(
    """
    UPDATE admin_users SET role = :role, status = :status, password_hash = :password_hash,
        sealed_secret = :sealed_secret, last_step = :last_step, signed_out_at = :signed_out_at,
        logged_in_at = :logged_in_at
    WHERE admin_id = :admin_id
    """
)
_LEFT_SIGNED_IN: Final = text(
    """
    SELECT DISTINCT a.admin_id
    FROM admin_users a
    JOIN sessions s ON s.audience = 'admin' AND s.subject = CAST(a.admin_id AS text)
    WHERE s.revoked_at IS NULL AND s.opened_at < a.signed_out_at
    """
)
_DROP_CODES: Final = text("DELETE FROM admin_recovery_codes WHERE admin_id = :admin_id")
_ADD_CODES: Final = text(
    """
    INSERT INTO admin_recovery_codes (admin_id, digest)
    SELECT :admin_id, digest FROM unnest(CAST(:digests AS text[])) AS digest
    """
)
_USE_CODE: Final = text(
    "DELETE FROM admin_recovery_codes WHERE admin_id = :admin_id AND digest = :digest"
)
_COUNT_CODES: Final = text("SELECT count(*) FROM admin_recovery_codes WHERE admin_id = :admin_id")
_KNOWS_DEVICE: Final = text(
    """
    SELECT EXISTS (
        SELECT FROM admin_devices
        WHERE admin_id = :admin_id AND digest = :digest AND used_at > :since
    )
    """
)
_KEEP_DEVICE: Final = text(
    """
    INSERT INTO admin_devices (admin_id, digest, used_at) VALUES (:admin_id, :digest, :now)
    ON CONFLICT (admin_id, digest) DO UPDATE SET used_at = excluded.used_at
    """
)
_DROP_OLD_DEVICES: Final = text(
    """
    DELETE FROM admin_devices
    WHERE admin_id = :admin_id AND digest NOT IN (
        SELECT digest FROM admin_devices WHERE admin_id = :admin_id
        ORDER BY used_at DESC, digest LIMIT :at_most
    )
    """
)
_DROP_DEVICES: Final = text("DELETE FROM admin_devices WHERE admin_id = :admin_id")
_INVITE: Final = text(
    """
    INSERT INTO admin_invitations (
        invitation_id, digest, email_index, sealed_email, role, invited_by, created_at, expires_at
    )
    VALUES (
        :invitation_id, :digest, :email_index, :sealed_email, :role, :invited_by, :created_at,
        :expires_at
    )
    ON CONFLICT (email_index) DO UPDATE SET
        invitation_id = excluded.invitation_id, digest = excluded.digest,
        sealed_email = excluded.sealed_email, role = excluded.role,
        invited_by = excluded.invited_by, created_at = excluded.created_at,
        expires_at = excluded.expires_at
    """
)
_TAKE_INVITATION: Final = text(
    "DELETE FROM admin_invitations WHERE digest = :digest AND expires_at > :now RETURNING *"
)
_INVITATION: Final = text(
    "SELECT * FROM admin_invitations WHERE digest = :digest AND expires_at > :now"
)
_WITHDRAW: Final = text(
    "DELETE FROM admin_invitations WHERE invitation_id = :invitation_id RETURNING *"
)
_INVITATIONS: Final = text(
    """
    SELECT * FROM admin_invitations
    WHERE expires_at > :now AND (CAST(:after AS uuid) IS NULL OR invitation_id < :after)
    ORDER BY invitation_id DESC LIMIT :most
    """
)


class PostgresAdmins:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def data_key(self, wrapped_new: str) -> str:
        await self._connection.execute(_ADD_KEY, {"wrapped_key": wrapped_new})
        return str((await self._connection.execute(_KEY)).scalar_one())

    async def by_email(self, email_index: str) -> Admin | None:
        found = await self._connection.execute(_BY_EMAIL, {"email_index": email_index})
        return _admin_or_none(found.one_or_none())

    async def by_id(self, admin_id: UUID) -> Admin | None:
        found = await self._connection.execute(_BY_ID, {"admin_id": admin_id})
        return _admin_or_none(found.one_or_none())

    async def lock(self, admin_id: UUID) -> Admin | None:
        found = await self._connection.execute(_LOCK, {"admin_id": admin_id})
        return _admin_or_none(found.one_or_none())

    async def lock_all(self) -> Sequence[Admin]:
        return [_admin(row) for row in await self._connection.execute(_LOCK_ALL)]

    async def page(self, after: UUID | None, limit: int) -> Sequence[Admin]:
        rows = await self._connection.execute(_PAGE, {"after": after, "most": limit})
        return [_admin(row) for row in rows]

    async def add(self, admin: Admin) -> bool:
        return (await self._connection.execute(_ADD, asdict(admin))).rowcount == 1

    async def keep(self, admin: Admin) -> None:
        await self._connection.execute(_KEEP, asdict(admin))

    async def left_signed_in(self) -> Sequence[UUID]:
        return (await self._connection.execute(_LEFT_SIGNED_IN)).scalars()

    async def replace_recovery_codes(self, admin_id: UUID, digests: Sequence[str]) -> None:
        await self._connection.execute(_DROP_CODES, {"admin_id": admin_id})
        await self._connection.execute(_ADD_CODES, {"admin_id": admin_id, "digests": list(digests)})

    async def use_recovery_code(self, admin_id: UUID, digest: str) -> bool:
        used = await self._connection.execute(_USE_CODE, {"admin_id": admin_id, "digest": digest})
        return used.rowcount == 1

    async def count_recovery_codes(self, admin_id: UUID) -> int:
        found = await self._connection.execute(_COUNT_CODES, {"admin_id": admin_id})
        return int(found.scalar_one())

    async def knows_device(self, admin_id: UUID, digest: bytes, since: datetime) -> bool:
        found = await self._connection.execute(
            _KNOWS_DEVICE, {"admin_id": admin_id, "digest": digest, "since": since}
        )
        return bool(found.scalar_one())

    async def keep_device(self, admin_id: UUID, digest: bytes, now: datetime, at_most: int) -> None:
        device = {"admin_id": admin_id, "digest": digest, "now": now}
        await self._connection.execute(_KEEP_DEVICE, device)
        await self._connection.execute(
            _DROP_OLD_DEVICES, {"admin_id": admin_id, "at_most": at_most}
        )

    async def forget_devices(self, admin_id: UUID) -> None:
        await self._connection.execute(_DROP_DEVICES, {"admin_id": admin_id})

    async def invite(self, invitation: Invitation) -> None:
        await self._connection.execute(_INVITE, asdict(invitation))

    async def invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        found = await self._connection.execute(_INVITATION, {"digest": digest, "now": now})
        return _invitation_or_none(found.one_or_none())

    async def take_invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        taken = await self._connection.execute(_TAKE_INVITATION, {"digest": digest, "now": now})
        return _invitation_or_none(taken.one_or_none())

    async def withdraw(self, invitation_id: UUID) -> Invitation | None:
        gone = await self._connection.execute(_WITHDRAW, {"invitation_id": invitation_id})
        return _invitation_or_none(gone.one_or_none())

    async def invitations(
        self, now: datetime, after: UUID | None, limit: int
    ) -> Sequence[Invitation]:
        rows = await self._connection.execute(
            _INVITATIONS, {"now": now, "after": after, "most": limit}
        )
        return [_invitation(row) for row in rows]


def _admin_or_none(row: Row | None) -> Admin | None:
    return None if row is None else _admin(row)


def _admin(row: Row) -> Admin:
    return Admin(
        admin_id=row.admin_id,
        email_index=row.email_index,
        sealed_email=row.sealed_email,
        role=row.role,
        status=Status(row.status),
        password_hash=row.password_hash,
        sealed_secret=row.sealed_secret,
        last_step=row.last_step,
        created_at=row.created_at,
        signed_out_at=row.signed_out_at,
        logged_in_at=row.logged_in_at,
    )


def _invitation_or_none(row: Row | None) -> Invitation | None:
    return None if row is None else _invitation(row)


def _invitation(row: Row) -> Invitation:
    return Invitation(
        invitation_id=row.invitation_id,
        digest=bytes(row.digest),
        email_index=row.email_index,
        sealed_email=row.sealed_email,
        role=row.role,
        invited_by=row.invited_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
