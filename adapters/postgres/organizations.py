"""``ports.organizations`` on PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from domain.admins.guessing import NONE, Failures
from ports.merchants import Status
from ports.organizations import Invitation, Organization, ShopSeen, Standing
from ports.sealing import NewKey

# In one order everywhere, so that no two that hold several deadlock. By itself: what is joined to a
# row that had to be waited for would be old.
_HOLD: Final = text(
    """
    SELECT FROM merchants WHERE merchant_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY merchant_id FOR UPDATE
    """
)
_STANDINGS: Final = text(
    """
    SELECT m.merchant_id, m.status, m.installed_at, o.organization_id, o.joined_at, o.joined_with,
        o.version
    FROM merchants m LEFT JOIN organization_shops o ON o.merchant_id = m.merchant_id
    WHERE m.merchant_id = ANY(CAST(:ids AS uuid[]))
    """
)
_OF: Final = text("SELECT organization_id FROM organization_shops WHERE merchant_id = :merchant_id")
_ENTER: Final = text(
    """
    INSERT INTO organization_shops AS o (
        merchant_id, version, organization_id, joined_at, joined_with
    )
    VALUES (:merchant_id, 1, :organization_id, :at, :joined_with)
    ON CONFLICT (merchant_id) DO UPDATE SET
        version = o.version + 1, organization_id = excluded.organization_id,
        joined_at = excluded.joined_at, joined_with = excluded.joined_with
    RETURNING version
    """
)
_LEAVE: Final = text(
    """
    UPDATE organization_shops SET version = version + 1, organization_id = NULL, joined_at = NULL,
        joined_with = ''
    WHERE merchant_id = :merchant_id
    RETURNING version
    """
)
_INVITE: Final = text(
    """
    INSERT INTO organization_invitations (
        merchant_id, organization_id, digest, created_at, expires_at
    )
    VALUES (:merchant_id, :organization_id, :digest, :created_at, :expires_at)
    ON CONFLICT (merchant_id) DO UPDATE SET
        organization_id = excluded.organization_id, digest = excluded.digest,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    """
)
_UNINVITE: Final = text("DELETE FROM organization_invitations WHERE merchant_id = :merchant_id")
_WRONG_CODES: Final = text(
    "SELECT failures, last_at FROM organization_wrong_codes WHERE merchant_id = :merchant_id"
)
_COUNT_WRONG_CODES: Final = text(
    """
    INSERT INTO organization_wrong_codes (merchant_id, failures, last_at)
    VALUES (:merchant_id, :failures, :last_at)
    ON CONFLICT (merchant_id) DO UPDATE SET
        failures = excluded.failures, last_at = excluded.last_at
    """
)
_FOUND: Final = text(
    """
    INSERT INTO organizations (organization_id, name, created_at, key_id, wrapped_key)
    VALUES (:organization_id, :name, :created_at, :key_id, :wrapped)
    """
)
_FIND: Final = text(
    "SELECT organization_id, name, created_at FROM organizations"
    " WHERE organization_id = :organization_id"
)
_SHOPS: Final = text(
    """
    SELECT m.merchant_id, m.shop_domain, o.joined_at
    FROM organization_shops o JOIN merchants m USING (merchant_id)
    WHERE o.organization_id = :organization_id
    ORDER BY o.joined_at, m.shop_domain
    """
)
_HOLD_ORGANIZATION: Final = text(
    "SELECT FROM organizations WHERE organization_id = :organization_id FOR UPDATE"
)
_COUNT: Final = text(
    "SELECT count(*) FROM organization_shops WHERE organization_id = :organization_id"
)
_END: Final = text("DELETE FROM organizations WHERE organization_id = :organization_id")
_INVITATION: Final = text(
    "SELECT * FROM organization_invitations WHERE digest = :digest AND expires_at > :now"
)
_KEY: Final = text(
    """
    SELECT g.wrapped_key FROM organization_shops o JOIN organizations g USING (organization_id)
    WHERE o.merchant_id = :merchant_id AND o.organization_id = :organization_id
    """
)


class PostgresMemberships:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def hold(self, merchant_ids: Collection[UUID]) -> Mapping[UUID, Standing]:
        ids = {"ids": list(merchant_ids)}
        await self._connection.execute(_HOLD, ids)
        rows = await self._connection.execute(_STANDINGS, ids)
        return {
            row.merchant_id: Standing(
                merchant_id=row.merchant_id,
                status=Status(row.status),
                installed_at=row.installed_at,
                organization_id=row.organization_id,
                joined_at=row.joined_at,
                joined_with=row.joined_with or b"",
                version=row.version or 0,
            )
            for row in rows
        }

    async def organization_of(self, merchant_id: UUID) -> UUID | None:
        found = await self._connection.execute(_OF, {"merchant_id": merchant_id})
        organization_id: UUID | None = found.scalar_one_or_none()
        return organization_id

    async def enter(
        self, merchant_id: UUID, organization_id: UUID, joined_with: bytes, at: datetime
    ) -> int:
        values = {
            "merchant_id": merchant_id,
            "organization_id": organization_id,
            "joined_with": joined_with,
            "at": at,
        }
        version: int = (await self._connection.execute(_ENTER, values)).scalar_one()
        return version

    async def leave(self, merchant_id: UUID) -> int:
        await self.uninvite(merchant_id)
        left = await self._connection.execute(_LEAVE, {"merchant_id": merchant_id})
        version: int = left.scalar_one()
        return version

    async def invite(self, invitation: Invitation) -> None:
        await self._connection.execute(_INVITE, asdict(invitation))

    async def uninvite(self, merchant_id: UUID) -> None:
        await self._connection.execute(_UNINVITE, {"merchant_id": merchant_id})

    async def wrong_codes(self, merchant_id: UUID) -> Failures:
        found = await self._connection.execute(_WRONG_CODES, {"merchant_id": merchant_id})
        row = found.one_or_none()
        return NONE if row is None else Failures(row.failures, row.last_at)

    async def count_wrong_codes(self, merchant_id: UUID, failures: Failures) -> None:
        values = {
            "merchant_id": merchant_id,
            "failures": failures.count,
            "last_at": failures.last_at,
        }
        await self._connection.execute(_COUNT_WRONG_CODES, values)


class PostgresOrganizations(PostgresMemberships):
    async def found(self, organization: Organization, key: NewKey) -> None:
        await self._connection.execute(_FOUND, organization._asdict() | key._asdict())

    async def find(self, organization_id: UUID) -> Organization:
        row = (await self._connection.execute(_FIND, {"organization_id": organization_id})).one()
        return Organization(row.organization_id, row.name, row.created_at)

    async def shops_of(self, organization_id: UUID) -> Sequence[ShopSeen]:
        rows = await self._connection.execute(_SHOPS, {"organization_id": organization_id})
        return [ShopSeen(row.merchant_id, row.shop_domain, row.joined_at) for row in rows]

    async def count_shops(self, organization_id: UUID) -> int:
        which = {"organization_id": organization_id}
        await self._connection.execute(_HOLD_ORGANIZATION, which)
        count: int = (await self._connection.execute(_COUNT, which)).scalar_one()
        return count

    async def end(self, organization_id: UUID) -> None:
        await self._connection.execute(_END, {"organization_id": organization_id})

    async def invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        found = await self._connection.execute(_INVITATION, {"digest": digest, "now": now})
        row = found.one_or_none()
        if row is None:
            return None
        return Invitation(
            merchant_id=row.merchant_id,
            organization_id=row.organization_id,
            digest=row.digest,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )

    async def wrapped_key(self, merchant_id: UUID, organization_id: UUID) -> str:
        found = await self._connection.execute(
            _KEY, {"merchant_id": merchant_id, "organization_id": organization_id}
        )
        return found.scalar_one_or_none() or ""
