"""``ports.imports.Imports`` on PostgreSQL: one row for each shop and kind."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from ports.imports import ImportRow, ImportState, Kind, Phase

_COLUMNS: Final = """
    merchant_id, kind, since, import_id, state, phase, export_id, read_to, found, customers, orders,
    skipped, tries, problem, started_at, finished_at, claim
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
    ON CONFLICT (merchant_id, kind) DO UPDATE SET
        import_id = excluded.import_id, state = excluded.state, phase = excluded.phase,
        export_id = '', read_to = 0, found = 0, customers = 0, orders = 0, skipped = 0, tries = 0,
        problem = '', started_at = excluded.started_at, finished_at = NULL, claim = i.claim + 1,
        due_at = excluded.due_at
    WHERE i.state IN ('done', 'failed')
    RETURNING merchant_id
    """
)
_FOLLOW: Final = text(
    """
    INSERT INTO imports AS i (
        merchant_id, kind, since, import_id, state, phase, export_id, read_to, found, customers,
        orders, skipped, tries, problem, started_at, claim, due_at
    )
    VALUES (
        :merchant_id, 'changes', :since, :import_id, 'waiting', 'customers', '', 0, 0, 0, 0, 0, 0,
        '', :due_at, 0, :due_at
    )
    ON CONFLICT (merchant_id, kind) DO UPDATE SET
        since = excluded.since, import_id = excluded.import_id, state = excluded.state,
        phase = excluded.phase, export_id = '', read_to = 0, found = 0, customers = 0, orders = 0,
        skipped = 0, tries = 0, problem = '', started_at = excluded.started_at, finished_at = NULL,
        claim = i.claim + 1, due_at = excluded.due_at
    """
)
_FIND: Final = text(
    f"SELECT {_COLUMNS} FROM imports WHERE merchant_id = :merchant_id AND kind = :kind"
)
_TAKE_DUE: Final = text(
    f"""
    UPDATE imports SET claim = claim + 1, due_at = :until WHERE (merchant_id, kind) IN (
        SELECT merchant_id, kind FROM imports WHERE due_at <= :now
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
    WHERE merchant_id = :merchant_id AND kind = :kind AND import_id = :import_id
        AND claim = :claim
    """
)


class PostgresImports:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, imports: Mapping[UUID, UUID], now: datetime) -> Sequence[UUID]:
        merchants = sorted(imports)
        begun = await self._connection.execute(
            _BEGIN,
            {"merchants": merchants, "ids": [imports[each] for each in merchants], "now": now},
        )
        return list(begun.scalars())

    async def follow(
        self, merchant_id: UUID, import_id: UUID, since: datetime, due_at: datetime
    ) -> None:
        values = {"merchant_id": merchant_id, "import_id": import_id, "since": since}
        await self._connection.execute(_FOLLOW, values | {"due_at": due_at})

    async def find(self, merchant_id: UUID, kind: Kind) -> ImportRow | None:
        values = {"merchant_id": merchant_id, "kind": kind}
        found = await self._connection.execute(_FIND, values)
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


def _import(row: Row) -> ImportRow:
    values = row._asdict()
    kinds = {"kind": Kind, "state": ImportState, "phase": Phase}
    return ImportRow(**(values | {name: kind(values[name]) for name, kind in kinds.items()}))
