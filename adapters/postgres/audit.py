"""``ports.audit.Audit`` on PostgreSQL: one narrow row for each record, in the order it is read."""

from collections.abc import Sequence
from typing import Final

from adapters.postgres.connection import Connection, text
from adapters.postgres.rows import as_rows
from domain.audit import AuditRecord
from ports.audit import AuditLine, Search

_APPEND: Final = text(
    """
    INSERT INTO audit_logs (merchant_id, at, record_id, actor, action, subject, details)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, at timestamptz, record_id uuid, actor text, action text, subject text,
        details text
    )
    ON CONFLICT DO NOTHING
    """
)


class PostgresAudit:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def append(self, records: Sequence[AuditRecord]) -> None:
        rows = as_rows(
            {
                "merchant_id": record.merchant_id,
                "at": record.at,
                "record_id": record.id,
                "actor": f"{record.actor_kind}:{record.actor}",
                "action": record.action,
                "subject": record.subject,
                "details": _details(record),
            }
            # In one order everywhere, so that no two batches deadlock. Bytes compare much faster.
            for record in sorted(records, key=lambda each: (each.at, each.id.bytes))
        )
        await self._connection.execute(_APPEND, {"rows": rows})

    async def find(self, search: Search, limit: int) -> Sequence[AuditLine]:
        conditions = ["merchant_id = :merchant_id"]
        given: dict[str, object] = {"merchant_id": search.merchant_id, "most": limit}
        # Only the conditions that are asked for: each combination is a query of its own, for which
        # the planner can see which index serves it.
        if search.action:
            conditions.append("action = :action")
            given["action"] = search.action
        if search.since is not None:
            conditions.append("at >= :since")
            given["since"] = search.since
        if search.until is not None:
            conditions.append("at < :until")
            given["until"] = search.until
        if search.before is not None:
            conditions.append("(at, record_id) < (:before, :before_id)")
            given |= {"before": search.before.at, "before_id": search.before.record_id}
        rows = await self._connection.execute(
            text(
                "SELECT record_id, at, actor, action, subject, details FROM audit_logs"
                f" WHERE {' AND '.join(conditions)}"
                " ORDER BY at DESC, record_id DESC LIMIT :most"
            ),
            given,
        )
        return [AuditLine(*row) for row in rows]


def _details(record: AuditRecord) -> str:
    parts = [record.reason] if record.reason else []
    parts += (
        f"{each.field}: {each.before or '–'} → {each.after or '–'}" for each in record.changes
    )
    return "; ".join(parts)
