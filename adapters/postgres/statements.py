"""``ports.statements`` on PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from adapters.postgres.chain import AS_SEALED, plain_ids
from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.entries import ENTRY_COLUMNS, draft_of
from adapters.postgres.merged import stands_for
from domain.points.chain import Head, Stored
from domain.points.ledger import EntryKind
from domain.points.statement import Entry
from domain.points.wallet import Wallet
from ports.ledger import WalletKey
from ports.statements import ExportMark, Mark

_OWN: Final = f"""
    WITH last AS (
        SELECT {stands_for("wallets")} AS customer_id FROM wallets
        WHERE merchant_id = :merchant_id AND customer_id = :customer_id
    ),
    own AS (
        SELECT w.* FROM last JOIN wallets w ON w.merchant_id = :merchant_id
            AND (w.customer_id = last.customer_id OR w.merged_into = last.customer_id)
    )
"""
_KIND: Final = "CASE WHEN t.reverses IS NULL THEN t.kind ELSE t.reverses END"
_WALLET: Final = text(
    f"""
    {_OWN}
    SELECT (SELECT coalesce(sum(version), 0) FROM own) AS entries,
        CAST(coalesce(sum(t.points) FILTER (WHERE NOT t.pending), 0) AS bigint) AS spendable,
        CAST(coalesce(sum(t.points) FILTER (WHERE t.pending), 0) AS bigint) AS pending,
        CAST(coalesce(-sum(t.points) FILTER (WHERE {_KIND} = '{EntryKind.REDEEM}'), 0) AS bigint)
            AS spent,
        CAST(coalesce(-sum(t.points) FILTER (WHERE {_KIND} = '{EntryKind.EXPIRE}'), 0) AS bigint)
            AS expired
    FROM own LEFT JOIN points_transactions t
        ON t.merchant_id = own.merchant_id AND t.customer_id = own.customer_id
        AND (t.at, t.entry_id) < (CAST(:at AS timestamptz), CAST(:entry_id AS uuid))
    """
)
_MARK: Final = text(
    f"""
    {_OWN}
    SELECT t.at, t.entry_id FROM own JOIN points_transactions t
        ON t.merchant_id = own.merchant_id AND t.customer_id = own.customer_id
        AND t.entry_id = :entry_id
    """
)
_ENTRIES: Final = text(
    f"""
    {_OWN}
    SELECT {ENTRY_COLUMNS}, u.entry_id AS undone_by, o.currency
    FROM own JOIN points_transactions t
        ON t.merchant_id = own.merchant_id AND t.customer_id = own.customer_id
    LEFT JOIN points_transactions u
        ON u.merchant_id = t.merchant_id AND u.undoes = t.entry_id
    LEFT JOIN orders o
        ON o.merchant_id = t.merchant_id AND o.order_id = t.order_id AND t.order_id <> ''
    WHERE (t.at, t.entry_id) >= (CAST(:start AS timestamptz), CAST(:start_id AS uuid))
        AND (t.at, t.entry_id) < (CAST(:at AS timestamptz), CAST(:entry_id AS uuid))
    ORDER BY t.at, t.entry_id LIMIT :most
    """
)
_VALUES: Final = ", ".join(f"{value} AS v{number}" for number, value in enumerate(AS_SEALED))
_STORED: Final = text(
    f"""
    SELECT t.customer_id, t.entry_id, {_VALUES}
    FROM points_transactions t
    WHERE t.merchant_id = :merchant_id
        AND (t.customer_id, t.entry_id) > (CAST(:customer_id AS uuid), CAST(:entry_id AS uuid))
    ORDER BY t.customer_id, t.entry_id LIMIT :most
    """
)
_HEAD: Final = text(
    "SELECT number, hash FROM chain_blocks WHERE merchant_id = :merchant_id"
    " ORDER BY number DESC LIMIT 1"
)
_NO_END: Final = Mark(datetime(9999, 12, 31, tzinfo=UTC), UUID(int=0))
_BEGINNING: Final = ExportMark(UUID(int=0), UUID(int=0))


class PostgresStatements:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def wallet_before(self, key: WalletKey, before: Mark | None) -> Wallet | None:
        asked = key._asdict() | (before or _NO_END)._asdict()
        row = (await self._connection.execute(_WALLET, asked)).one()
        if not row.entries:
            return None
        return Wallet(row.spendable, row.pending, row.spent, row.expired)

    async def mark_of(self, key: WalletKey, entry_id: UUID) -> Mark | None:
        asked = key._asdict() | {"entry_id": entry_id}
        row = (await self._connection.execute(_MARK, asked)).one_or_none()
        return None if row is None else Mark(row.at, row.entry_id)

    async def entries_from(
        self, key: WalletKey, start: Mark, before: Mark | None, limit: int
    ) -> Sequence[Entry]:
        asked = key._asdict() | (before or _NO_END)._asdict()
        asked |= {"start": start.at, "start_id": start.entry_id, "most": limit}
        rows = await self._connection.execute(_ENTRIES, asked)
        return [
            Entry(row.entry_id, draft_of(row), row.at, row.undone_by, row.currency or "")
            for row in rows
        ]


class PostgresExports:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def stored(
        self, merchant_id: UUID, after: ExportMark | None, limit: int
    ) -> Sequence[Stored]:
        asked = {"merchant_id": merchant_id, "most": limit} | (after or _BEGINNING)._asdict()
        return [_stored(row) for row in await self._connection.execute(_STORED, asked)]

    async def head(self, merchant_id: UUID) -> Head | None:
        found = await self._connection.execute(_HEAD, {"merchant_id": merchant_id})
        row = found.one_or_none()
        return None if row is None else Head(row.number, row.hash)


def _stored(row: Row) -> Stored:
    told: tuple[Any, ...] = tuple(row)
    customer_id, entry_id, *values = told
    return Stored(customer_id, entry_id, plain_ids(values))
