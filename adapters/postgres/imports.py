"""``ports.imports.Imports`` on PostgreSQL: one row for each shop."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ports.imports import ImportRow, ImportState, Phase

_COLUMNS: Final = """
    merchant_id, import_id, state, phase, export_id, read_to, found, customers, orders, skipped,
    tries, problem, started_at, finished_at, claim
"""
_BEGIN: Final = text(
    """
    INSERT INTO imports AS i (
        merchant_id, import_id, state, phase, export_id, read_to, found, customers, orders, skipped,
        tries, problem, started_at, claim, due_at
    )
    SELECT merchant_id, import_id, 'waiting', 'customers', '', 0, 0, 0, 0, 0, 0, '',
        CAST(:now AS timestamptz), 0, CAST(:now AS timestamptz)
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:ids AS uuid[])) AS n (merchant_id, import_id)
    ON CONFLICT (merchant_id) DO UPDATE SET
        import_id = excluded.import_id, state = excluded.state, phase = excluded.phase,
        export_id = '', read_to = 0, found = 0, customers = 0, orders = 0, skipped = 0, tries = 0,
        problem = '', started_at = excluded.started_at, finished_at = NULL, claim = i.claim + 1,
        due_at = excluded.due_at
    WHERE i.state IN ('done', 'failed')
    RETURNING merchant_id
    """
)
_FIND: Final = text(f"SELECT {_COLUMNS} FROM imports WHERE merchant_id = :merchant_id")
_TAKE_DUE: Final = text(
    f"""
    UPDATE imports SET claim = claim + 1, due_at = :until WHERE merchant_id IN (
        SELECT merchant_id FROM imports WHERE due_at <= :now
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
    """
)
_KEEP: Final = text(
    """
    UPDATE imports SET state = :state, phase = :phase, export_id = :export_id, read_to = :read_to,
        found = :found, customers = :customers, orders = :orders, skipped = :skipped,
        tries = :tries, problem = :problem, finished_at = :finished_at, due_at = :due_at
    WHERE merchant_id = :merchant_id AND import_id = :import_id AND claim = :claim
    """
)


class PostgresImports:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def begin(self, imports: Mapping[UUID, UUID], now: datetime) -> Sequence[UUID]:
        merchants = sorted(imports)
        begun = await self._connection.execute(
            _BEGIN,
            {"merchants": merchants, "ids": [imports[each] for each in merchants], "now": now},
        )
        return list(begun.scalars())

    async def find(self, merchant_id: UUID) -> ImportRow | None:
        found = await self._connection.execute(_FIND, {"merchant_id": merchant_id})
        row = found.one_or_none()
        return None if row is None else _import(row)

    async def take_due(self, now: datetime, until: datetime, limit: int) -> Sequence[ImportRow]:
        taken = await self._connection.execute(
            _TAKE_DUE, {"now": now, "until": until, "most": limit}
        )
        return [_import(row) for row in taken]

    async def keep(self, row: ImportRow, due_at: datetime | None) -> bool:
        kept = await self._connection.execute(_KEEP, asdict(row) | {"due_at": due_at})
        return kept.rowcount == 1


def _import(row: Row[Any]) -> ImportRow:
    values = row._asdict()
    return ImportRow(
        **(values | {"state": ImportState(values["state"]), "phase": Phase(values["phase"])})
    )
