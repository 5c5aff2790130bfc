"""``ports.sessions.SessionBook`` on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.caller import Audience
from ports.sessions import Holder, Session

# Held until the end, so that a shop is not closed, and its sessions ended, between the question
# and the new session.
_ACTIVE_SHOP: Final = text(
    "SELECT 1 FROM merchants WHERE merchant_id = :merchant_id AND status = 'active' FOR SHARE"
)
_ADD: Final = text(
    """
    INSERT INTO sessions (
        session_id, merchant_id, audience, subject, customer_id, role, impersonator, device,
        opened_at, refreshed_at, expires_at, ends_at
    )
    VALUES (
        :session_id, :merchant_id, :audience, :subject, :customer_id, :role, :impersonator,
        :device, :opened_at, :refreshed_at, :expires_at, :ends_at
    )
    """
)
_ADD_TOKEN: Final = text(
    """
    INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
    VALUES (:token_hash, :session_id, :issued_at, :expires_at)
    """
)


def _revoke(which: str) -> TextClause:
    # Locked in one order everywhere, so that no two who revoke deadlock.
    return text(
        f"""
        WITH those AS (
            SELECT session_id FROM sessions
            WHERE {which} AND revoked_at IS NULL
            ORDER BY session_id
            FOR UPDATE
        )
        UPDATE sessions s SET revoked_at = :now, revoked_because = :reason
        FROM those WHERE s.session_id = those.session_id
        RETURNING s.*
        """
    )


_REVOKE: Final = _revoke("session_id = ANY(CAST(:ids AS uuid[]))")
_REVOKE_OF_SUBJECT: Final = _revoke(
    "audience = :audience AND subject = :subject"
    " AND (CAST(:merchant_id AS uuid) IS NULL OR merchant_id = :merchant_id)"
)
_REVOKE_OF_MERCHANT: Final = _revoke("merchant_id = :merchant_id")
_REMEMBER: Final = text(
    """
    INSERT INTO revocations AS r (id, expires_at)
    SELECT id, :expires_at FROM unnest(CAST(:ids AS text[])) AS k (id)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET expires_at = greatest(r.expires_at, excluded.expires_at)
    """
)


class PostgresSessions:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def shop_is_active(self, merchant_id: UUID) -> bool:
        found = await self._connection.execute(_ACTIVE_SHOP, {"merchant_id": merchant_id})
        return found.one_or_none() is not None

    async def add(self, session: Session, token_hash: bytes) -> None:
        holder = session.holder
        await self._connection.execute(
            _ADD,
            {
                "session_id": session.session_id,
                "merchant_id": holder.merchant_id,
                "audience": holder.audience,
                "subject": holder.subject,
                "customer_id": holder.customer_id,
                "role": holder.role,
                "impersonator": holder.impersonator,
                "device": session.device,
                "opened_at": session.opened_at,
                "refreshed_at": session.refreshed_at,
                "expires_at": session.expires_at,
                "ends_at": session.ends_at,
            },
        )
        await self._connection.execute(
            _ADD_TOKEN,
            {
                "token_hash": token_hash,
                "session_id": session.session_id,
                "issued_at": session.refreshed_at,
                "expires_at": session.expires_at,
            },
        )

    async def revoke(
        self, session_ids: Sequence[UUID], now: datetime, reason: str
    ) -> Sequence[Session]:
        return await self._ended(_REVOKE, now, reason, ids=list(session_ids))

    async def revoke_of_subject(
        self, audience: Audience, subject: str, merchant_id: UUID | None, now: datetime, reason: str
    ) -> Sequence[Session]:
        return await self._ended(
            _REVOKE_OF_SUBJECT,
            now,
            reason,
            audience=audience,
            subject=subject,
            merchant_id=merchant_id,
        )

    async def revoke_of_merchant(
        self, merchant_id: UUID, now: datetime, reason: str
    ) -> Sequence[Session]:
        return await self._ended(_REVOKE_OF_MERCHANT, now, reason, merchant_id=merchant_id)

    async def remember(self, ids: Sequence[str], expires_at: datetime) -> None:
        await self._connection.execute(_REMEMBER, {"ids": list(ids), "expires_at": expires_at})

    async def _ended(
        self, statement: TextClause, now: datetime, reason: str, **which: object
    ) -> Sequence[Session]:
        rows = await self._connection.execute(statement, {"now": now, "reason": reason, **which})
        return [_session(row) for row in rows]


def _session(row: Row[Any]) -> Session:
    return Session(
        session_id=row.session_id,
        holder=Holder(
            audience=Audience(row.audience),
            subject=row.subject,
            merchant_id=row.merchant_id,
            customer_id=row.customer_id,
            role=row.role,
            impersonator=row.impersonator,
        ),
        device=row.device,
        opened_at=row.opened_at,
        refreshed_at=row.refreshed_at,
        expires_at=row.expires_at,
        ends_at=row.ends_at,
        revoked_at=row.revoked_at,
    )
