"""Entries of the ledger on PostgreSQL: appended and read, never changed."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from adapters.postgres.connection import Connection, Row, Statement, text
from adapters.postgres.merged import stands_for
from adapters.postgres.order_rows import plain
from adapters.postgres.rows import as_rows
from domain.errors import NotFound
from domain.points.earning import RuleSnapshot
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.lot import FOREVER, Life, Share
from domain.points.lots import undoing
from ports.ledger import HistoryEntry, NewEntry, WalletKey

ENTRY_COLUMNS: Final = (
    "t.entry_id, t.kind, t.points, t.pending, t.reason, t.source, t.source_ref, t.rule, t.line,"
    " t.order_id, t.waived, t.reverses, t.snapshot, t.at,"
    " t.uses, t.undoes, t.expires_at, t.idle_days"
)


def _appending(customer_id: str, followed: str = "") -> Statement:
    return text(
        f"""
        INSERT INTO points_transactions (
            merchant_id, customer_id, entry_id, kind, points, pending, reason, source, source_ref,
            rule, line, order_id, waived, reverses, snapshot, at, uses, undoes, expires_at,
            idle_days
        )
        SELECT r.merchant_id, {customer_id}, entry_id, kind, points, r.pending, reason, source,
            source_ref, rule, line, order_id, waived, reverses, snapshot, at, uses, undoes,
            expires_at, idle_days
        FROM json_to_recordset(CAST(:rows AS json)) AS r (
            merchant_id uuid, customer_id uuid, entry_id uuid, kind text, points bigint,
            pending boolean, reason text, source text, source_ref text, rule text, line text,
            order_id text, waived bigint, reverses text, snapshot jsonb, at timestamptz,
            uses jsonb, undoes uuid, expires_at timestamptz, idle_days integer
        )
        {followed}
        ON CONFLICT DO NOTHING
        RETURNING entry_id, customer_id
        """
    )


# What is for a merged member goes to who stands for them, but for what moves the points there.
_APPEND: Final = _appending(
    "coalesce(w.merged_into, r.customer_id)",
    "LEFT JOIN wallets w ON w.merchant_id = r.merchant_id AND w.customer_id = r.customer_id"
    f" AND r.source <> '{Source.MERGE}'",
)
# Of wallets that are held it is known who stands for whom, and nobody merges them meanwhile.
_APPEND_TO_HELD: Final = _appending("r.customer_id")
# Of each of the few who are one member the newest, and of those the newest: each is one range of
# the index, however many entries there are.
_HISTORY: Final = text(
    f"""
    WITH last AS (
        SELECT {stands_for("wallets")} AS customer_id FROM wallets
        WHERE merchant_id = :merchant_id AND customer_id = :customer_id
    )
    SELECT h.* FROM last
    JOIN wallets w ON w.merchant_id = :merchant_id
        AND (w.customer_id = last.customer_id OR w.merged_into = last.customer_id),
    LATERAL (
        SELECT {ENTRY_COLUMNS} FROM points_transactions t
        WHERE t.merchant_id = w.merchant_id AND t.customer_id = w.customer_id
            AND t.entry_id < CAST(:before AS uuid)
        ORDER BY t.entry_id DESC LIMIT :most
    ) AS h
    ORDER BY h.entry_id DESC LIMIT :most
    """
)
# Each by a look into an index. Left to EXISTS, PostgreSQL may read all of a ledger that has grown
# since it was last counted, because it expects a hundred entries of every JSON.
_KNOWN: Final = text(
    """
    SELECT r.entry_id FROM json_to_recordset(CAST(:rows AS json)) AS r (
        entry_id uuid, merchant_id uuid, source_ref text, source text, rule text, line text,
        undoes uuid
    ), LATERAL (
        (
            SELECT FROM points_transactions t WHERE t.merchant_id = r.merchant_id
                AND t.source_ref = r.source_ref AND t.source = r.source AND t.rule = r.rule
                AND t.line = r.line
            LIMIT 1
        ) UNION ALL (
            SELECT FROM points_transactions t
            WHERE t.merchant_id = r.merchant_id AND t.undoes = r.undoes
            LIMIT 1
        )
        LIMIT 1
    ) AS known
    """
)
_UNDONE: Final = text(
    f"""
    SELECT {ENTRY_COLUMNS}
    FROM json_to_recordset(CAST(:rows AS json))
        AS r (merchant_id uuid, customer_id uuid, entry_id uuid)
    JOIN wallets w ON w.merchant_id = r.merchant_id
        AND (w.customer_id = r.customer_id OR w.merged_into = r.customer_id)
    JOIN points_transactions t ON t.merchant_id = w.merchant_id AND t.customer_id = w.customer_id
        AND t.entry_id = r.entry_id
    """
)
_LAST: Final = UUID(int=2**128 - 1)


class PostgresEntries:
    _connection: Connection

    async def _append(self, entries: Sequence[NewEntry], *, are_held: bool) -> Sequence[NewEntry]:
        """Those that were new, each with the wallet that it went to; ``are_held``: the wallets of
        these entries are, and none is of a merged member, but for what moves the points away."""
        statement = _APPEND_TO_HELD if are_held else _APPEND
        wallets = {
            row.entry_id: row.customer_id
            for row in await self._connection.execute(
                statement, {"rows": as_rows(map(_row, entries))}
            )
        }
        return [
            entry
            if (customer_id := wallets[entry.entry_id]) == entry.wallet.customer_id
            else replace(entry, wallet=entry.wallet._replace(customer_id=customer_id))
            for entry in entries
            if entry.entry_id in wallets
        ]

    async def _unknown(self, entries: Sequence[NewEntry]) -> Sequence[NewEntry]:
        """Those of these entries that the ledger does not hold yet and that undo nothing again."""
        rows = [
            {
                "entry_id": entry.entry_id,
                "merchant_id": entry.wallet.merchant_id,
                "source_ref": draft.source_ref,
                "source": draft.source,
                "rule": draft.rule,
                "line": draft.line,
                "undoes": draft.undoes,
            }
            for entry in entries
            for draft in [entry.draft]
        ]
        found = await self._connection.execute(_KNOWN, {"rows": as_rows(rows)})
        known: set[object] = set(found.scalars())
        fresh = []
        for entry in entries:
            names: set[object] = {entry.entry_id, (entry.wallet.merchant_id, entry.draft.key)}
            if entry.draft.undoes is not None:
                names.add((entry.wallet.merchant_id, entry.draft.undoes))
            if known.isdisjoint(names):
                fresh.append(entry)
            known |= names
        return fresh

    async def _knowing_what_they_undo(self, entries: Sequence[NewEntry]) -> Sequence[NewEntry]:
        """Raises NotFound for what undoes an entry that its member does not have."""
        rows = [
            {
                "merchant_id": entry.wallet.merchant_id,
                "customer_id": entry.wallet.customer_id,
                "entry_id": entry.draft.undoes,
            }
            for entry in entries
            if entry.draft.undoes is not None
        ]
        if not rows:
            return entries
        undone = {
            row.entry_id: draft_of(row)
            for row in await self._connection.execute(_UNDONE, {"rows": as_rows(rows)})
        }
        if any(row["entry_id"] not in undone for row in rows):
            raise NotFound("There is no such entry to be undone.")
        return [
            entry
            if entry.draft.undoes is None
            else replace(entry, draft=undoing(entry.draft, undone[entry.draft.undoes]))
            for entry in entries
        ]

    async def history(
        self, key: WalletKey, before: UUID | None, limit: int
    ) -> Sequence[HistoryEntry]:
        rows = await self._connection.execute(
            _HISTORY,
            {
                "merchant_id": key.merchant_id,
                "customer_id": key.customer_id,
                "before": before or _LAST,
                "most": limit,
            },
        )
        return [
            HistoryEntry(
                row.entry_id, draft_of(row), row.at, Life(row.expires_at, row.idle_days or 0)
            )
            for row in rows
        ]


def _row(entry: NewEntry) -> dict[str, Any]:
    """An entry's row, without what most have nothing to do with."""
    draft = entry.draft
    row: dict[str, Any] = {
        "merchant_id": entry.wallet.merchant_id,
        "customer_id": entry.wallet.customer_id,
        "entry_id": entry.entry_id,
        "kind": draft.kind,
        "points": draft.points,
        "pending": draft.pending,
        "reason": draft.reason,
        "source": draft.source,
        "source_ref": draft.source_ref,
        "rule": draft.rule,
        "line": draft.line,
        "order_id": draft.order_id,
        "waived": draft.waived,
        "reverses": draft.reverses,
        "snapshot": None if draft.snapshot is None else draft.snapshot.to_dict(),
        "at": entry.at,
    }
    if draft.uses:
        row["uses"] = draft.uses
    if draft.undoes is not None:
        row["undoes"] = draft.undoes
    if entry.life != FOREVER:
        row["expires_at"] = entry.life.expires_at
        row["idle_days"] = entry.life.idle_days or None
    return row


def draft_of(row: Row) -> EntryDraft:
    snapshot = plain(row.snapshot)
    return EntryDraft(
        kind=EntryKind(row.kind),
        points=row.points,
        reason=row.reason,
        source=row.source,
        source_ref=row.source_ref,
        rule=row.rule,
        line=row.line,
        pending=row.pending,
        order_id=row.order_id,
        waived=row.waived,
        snapshot=None if snapshot is None else RuleSnapshot.from_dict(snapshot),
        reverses=None if row.reverses is None else EntryKind(row.reverses),
        uses=()
        if row.uses is None
        else msgspec.convert(plain(row.uses), tuple[Share, ...], strict=False),
        undoes=row.undoes,
    )
