"""``ports.sessions.SessionBook`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, Statement, text
from adapters.postgres.rows import as_rows
from contracts.caller import Audience
from ports.sessions import Holder, Revocation, Session, Shown

# Held until the end, so that a shop is not closed, and its sessions ended, between the question
# and the new session.
_ACTIVE_SHOP: Final = text(
    "SELECT 1 FROM merchants WHERE merchant_id = :merchant_id AND status = 'active' FOR SHARE"
)
_ADD: Final = text(
    """
    INSERT INTO sessions (
        session_id, merchant_id, audience, subject, customer_id, role, impersonator, device,
        opened_at, refreshed_at, expires_at, ends_at, token_hash
    )
    VALUES (
        :session_id, :merchant_id, :audience, :subject, :customer_id, :role, :impersonator,
        :device, :opened_at, :refreshed_at, :expires_at, :ends_at, :token_hash
    )
    """
)
_OF_TOKEN: Final = text(
    """
    SELECT * FROM sessions
    WHERE session_id = coalesce(
        (SELECT session_id FROM sessions WHERE token_hash = :token_hash),
        (SELECT session_id FROM used_refresh_tokens WHERE token_hash = :token_hash)
    )
    FOR UPDATE
    """
)
_USE_UP: Final = text(
    """
    INSERT INTO used_refresh_tokens (token_hash, session_id, expires_at)
    SELECT token_hash, session_id, expires_at FROM sessions WHERE session_id = :session_id
    """
)
_ROTATE: Final = text(
    """
    UPDATE sessions SET refreshed_at = :refreshed_at, expires_at = :expires_at,
        used_hash = token_hash, salt = :salt, token_hash = :token_hash
    WHERE session_id = :session_id
    """
)
_FIND: Final = text("SELECT * FROM sessions WHERE session_id = :session_id")
# Ids are made of the time, so the newest come first.
_OF_HOLDER: Final = text(
    """
    SELECT * FROM sessions
    WHERE subject = :subject AND audience = :audience
        AND merchant_id IS NOT DISTINCT FROM CAST(:merchant_id AS uuid)
        AND revoked_at IS NULL AND expires_at > :now
        AND (CAST(:after AS uuid) IS NULL OR session_id < :after)
    ORDER BY session_id DESC LIMIT :most
    """
)


def _revoke(which: str) -> Statement:
    # Locked in one order everywhere, so that no two who revoke deadlock.
    return text(
        f"""
        WITH those AS (
            SELECT s.session_id FROM sessions s
            WHERE s.revoked_at IS NULL AND {which}
            ORDER BY s.session_id
            FOR UPDATE OF s
        )
        UPDATE sessions s SET revoked_at = :now, revoked_because = :reason
        FROM those WHERE s.session_id = those.session_id
        RETURNING s.*
        """
    )


_REVOKE: Final = _revoke("s.session_id = ANY(CAST(:ids AS uuid[]))")
_REVOKE_OF_SUBJECT: Final = _revoke(
    "(s.audience = :audience AND s.subject = :subject OR s.impersonator = :impersonator)"
    " AND (CAST(:merchant_id AS uuid) IS NULL OR s.merchant_id = :merchant_id)"
)
_REVOKE_OF_MERCHANT: Final = _revoke("s.merchant_id = :merchant_id")
_REVOKE_OF_CLOSED: Final = _revoke(
    """
    EXISTS (
        SELECT FROM json_to_recordset(CAST(:rows AS json)) AS k (
            merchant_id uuid, closed_at timestamptz
        )
        JOIN merchants m USING (merchant_id)
        WHERE k.merchant_id = s.merchant_id
            AND (s.opened_at <= k.closed_at OR m.status <> 'active')
    )
    """
)
_REMEMBER: Final = text(
    """
    INSERT INTO revocations AS r (kind, id, expires_at)
    SELECT kind, id, expires_at FROM json_to_recordset(CAST(:rows AS json)) AS k (
        kind text, id text, expires_at timestamptz
    )
    ORDER BY kind, id
    ON CONFLICT (kind, id) DO NOTHING
    """
)
_IS_REVOKED: Final = text(
    """
    SELECT EXISTS (
        SELECT FROM revocations
        WHERE kind = 'session' AND id = :session_id OR kind = 'token' AND id = :token_id
    )
    """
)
# One clock for both times, the server's. A transaction shows what it recorded only when it commits,
# and none takes two minutes.
_REVOKED: Final = text(
    """
    SELECT kind, id, expires_at FROM revocations
    WHERE CAST(:since AS timestamptz) IS NULL
        OR recorded_at > CAST(:since AS timestamptz) - interval '2 minutes'
    """
)
_CLOCK: Final = text("SELECT clock_timestamp()")
_FORGET: Final = (
    text("DELETE FROM revocations WHERE expires_at < :now"),
    text("DELETE FROM used_refresh_tokens WHERE expires_at < :now"),
    text("DELETE FROM sessions WHERE expires_at < :now"),
)


class PostgresSessions:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def shop_is_active(self, merchant_id: UUID) -> bool:
        found = await self._connection.execute(_ACTIVE_SHOP, {"merchant_id": merchant_id})
        return found.one_or_none() is not None

    async def add(self, session: Session, token_hash: bytes) -> None:
        holder = session.holder
        values = {
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
            "token_hash": token_hash,
        }
        await self._connection.execute(_ADD, values)

    async def of_token(self, token_hash: bytes) -> Shown | None:
        found = await self._connection.execute(_OF_TOKEN, {"token_hash": token_hash})
        row = found.one_or_none()
        if row is None:
            return None
        return Shown(
            session=_session(row),
            newest=row.token_hash == token_hash,
            salt=row.salt if row.used_hash == token_hash else None,
        )

    async def rotate(self, session: Session, salt: bytes, token_hash: bytes) -> None:
        await self._connection.execute(_USE_UP, {"session_id": session.session_id})
        await self._connection.execute(
            _ROTATE,
            {
                "session_id": session.session_id,
                "refreshed_at": session.refreshed_at,
                "expires_at": session.expires_at,
                "salt": salt,
                "token_hash": token_hash,
            },
        )

    async def find(self, session_id: UUID) -> Session | None:
        found = await self._connection.execute(_FIND, {"session_id": session_id})
        row = found.one_or_none()
        return None if row is None else _session(row)

    async def of_holder(
        self, holder: Holder, now: datetime, after: UUID | None, limit: int
    ) -> Sequence[Session]:
        rows = await self._connection.execute(
            _OF_HOLDER,
            {
                "subject": holder.subject,
                "audience": holder.audience,
                "merchant_id": holder.merchant_id,
                "now": now,
                "after": after,
                "most": limit,
            },
        )
        return [_session(row) for row in rows]

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
            impersonator=f"{audience}:{subject}",
            merchant_id=merchant_id,
        )

    async def revoke_of_merchant(
        self, merchant_id: UUID, now: datetime, reason: str
    ) -> Sequence[Session]:
        return await self._ended(_REVOKE_OF_MERCHANT, now, reason, merchant_id=merchant_id)

    async def revoke_of_closed(
        self, closed_at: Mapping[UUID, datetime], now: datetime, reason: str
    ) -> Sequence[Session]:
        rows = [{"merchant_id": each, "closed_at": at} for each, at in closed_at.items()]
        return await self._ended(_REVOKE_OF_CLOSED, now, reason, rows=as_rows(rows))

    async def remember(self, revocations: Iterable[Revocation]) -> int:
        rows = [
            {
                "kind": "token" if each.session_id is None else "session",
                "id": each.token_id if each.session_id is None else each.session_id,
                "expires_at": each.expires_at,
            }
            for each in revocations
        ]
        return (await self._connection.execute(_REMEMBER, {"rows": as_rows(rows)})).rowcount

    async def is_revoked(self, session_id: UUID | None, token_id: str) -> bool:
        found = await self._connection.execute(
            _IS_REVOKED, {"session_id": str(session_id), "token_id": token_id}
        )
        return bool(found.scalar_one())

    async def revoked(self, since: datetime | None) -> tuple[datetime, Sequence[Revocation]]:
        as_of: datetime = (await self._connection.execute(_CLOCK)).scalar_one()
        rows = await self._connection.execute(_REVOKED, {"since": since})
        return as_of, [_revocation(row) for row in rows]

    async def forget_ended(self, now: datetime) -> None:
        for statement in _FORGET:
            await self._connection.execute(statement, {"now": now})

    async def _ended(
        self, statement: Statement, now: datetime, reason: str, **which: object
    ) -> Sequence[Session]:
        rows = await self._connection.execute(statement, {"now": now, "reason": reason, **which})
        return [_session(row) for row in rows]


def _session(row: Row) -> Session:
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


def _revocation(row: Row) -> Revocation:
    return Revocation(
        session_id=UUID(row.id) if row.kind == "session" else None,
        token_id=row.id if row.kind == "token" else "",
        expires_at=row.expires_at,
    )
