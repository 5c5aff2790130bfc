"""``ports.templates.Templates`` on PostgreSQL."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from ports.templates import SavedText

_SAVE: Final = text(
    """
    INSERT INTO email_templates AS t (merchant_id, kind, language, subject, body, updated_at)
    VALUES (:merchant_id, :kind, :language, :subject, :body, :updated_at)
    ON CONFLICT (merchant_id, kind, language) DO UPDATE SET
        subject = excluded.subject, body = excluded.body, updated_at = excluded.updated_at
    WHERE (t.subject, t.body) IS DISTINCT FROM (excluded.subject, excluded.body)
    """
)
_TEXTS: Final = text(
    """
    SELECT language, subject, body, updated_at FROM email_templates
    WHERE merchant_id = :merchant_id AND kind = :kind
    """
)


class PostgresTemplates:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save(self, merchant_id: UUID, kind: str, language: str, saved: SavedText) -> bool:
        done = await self._connection.execute(
            _SAVE,
            {
                "merchant_id": merchant_id,
                "kind": kind,
                "language": language,
                "subject": saved.subject,
                "body": saved.body,
                "updated_at": saved.updated_at,
            },
        )
        return done.rowcount > 0

    async def texts(self, merchant_id: UUID, kind: str) -> Mapping[str, SavedText]:
        rows = await self._connection.execute(_TEXTS, {"merchant_id": merchant_id, "kind": kind})
        return {row.language: SavedText(row.subject, row.body, row.updated_at) for row in rows}
