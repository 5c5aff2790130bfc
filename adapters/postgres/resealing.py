"""``ports.resealing.SealedRows`` on PostgreSQL, for any table with sealed texts.

Beside each sealed column the table has another, ``<column>_key``, generated from it: the id of the
key it names (``split_part(<column>, '.', 2)``), so that what a key has sealed is found by an index.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.rows import as_rows
from ports.resealing import Errand, SealedRow

_START: Final = UUID(int=0)
_BEGIN: Final = text(
    """
    INSERT INTO resealing (merchant_id, after, due_at)
    SELECT merchant_id, CAST(:start AS uuid), CAST(:now AS timestamptz)
    FROM unnest(CAST(:merchants AS uuid[])) AS merchant_id
    ON CONFLICT (merchant_id) DO UPDATE SET after = excluded.after, due_at = excluded.due_at
    """
)
_DUE: Final = text(
    "SELECT merchant_id, after, due_at FROM resealing WHERE due_at <= :now ORDER BY due_at"
)
_SAME: Final = "WHERE merchant_id = :merchant_id AND due_at = :due_at"
_ADVANCE: Final = text(f"UPDATE resealing SET after = :last {_SAME}")
_PUT_OFF: Final = text(f"UPDATE resealing SET after = :start, due_at = :later {_SAME}")
_END: Final = text(f"DELETE FROM resealing {_SAME}")


class SealedColumn(NamedTuple):
    """What a column is sealed for, and in SQL what about, which may be nothing."""

    purpose: str
    about: str = "''"


class SealedTable(NamedTuple):
    """A table, the column that names a row within its shop, and its sealed columns."""

    name: str
    row_id: str
    columns: Mapping[str, SealedColumn]

    @property
    def purposes(self) -> Mapping[str, str]:
        return {name: column.purpose for name, column in self.columns.items()}


class PostgresSealedRows:
    def __init__(self, connection: Connection, table: SealedTable) -> None:
        self._connection = connection
        self._table = table

    async def begin(self, merchant_ids: Collection[UUID], now: datetime) -> None:
        values = {"merchants": sorted(merchant_ids), "start": _START, "now": now}
        await self._connection.execute(_BEGIN, values)

    async def due(self, now: datetime) -> Sequence[Errand]:
        rows = await self._connection.execute(_DUE, {"now": now})
        return [Errand(row.merchant_id, row.after, row.due_at) for row in rows]

    async def under(
        self, errand: Errand, key_ids: Collection[str], limit: int
    ) -> Sequence[SealedRow]:
        name, row_id, columns = self._table
        abouts = ", ".join(f"{about} AS {each}_about" for each, (_, about) in columns.items())
        query = f"""
            SELECT {row_id} AS row_id, {", ".join(columns)}, {abouts} FROM {name}
            WHERE merchant_id = :merchant_id AND {row_id} > :after AND {self._sealed_with}
            ORDER BY {row_id} LIMIT :most
            FOR UPDATE SKIP LOCKED
        """
        values = {
            "merchant_id": errand.merchant_id,
            "after": errand.after,
            "keys": list(key_ids),
            "most": limit,
        }
        rows = await self._connection.execute(text(query), values)
        return [
            SealedRow(
                row.row_id,
                {each: getattr(row, each) for each in columns},
                {each: getattr(row, f"{each}_about") for each in columns},
            )
            for row in rows
        ]

    async def replace(self, merchant_id: UUID, rows: Sequence[SealedRow]) -> None:
        name, row_id, columns = self._table
        statement = f"""
            UPDATE {name} t SET {", ".join(f"{each} = k.{each}" for each in columns)}
            FROM json_to_recordset(CAST(:rows AS json)) AS k (
                row_id uuid, {", ".join(f"{each} text" for each in columns)}
            )
            WHERE t.merchant_id = :merchant_id AND t.{row_id} = k.row_id
        """
        values = as_rows({"row_id": each.row_id, **each.texts} for each in rows)
        await self._connection.execute(
            text(statement), {"merchant_id": merchant_id, "rows": values}
        )

    async def advance(self, errand: Errand, after: UUID) -> Errand:
        await self._connection.execute(_ADVANCE, errand._asdict() | {"last": after})
        return errand._replace(after=after)

    async def put_off(self, errand: Errand, due_at: datetime) -> None:
        values = errand._asdict() | {"start": _START, "later": due_at}
        await self._connection.execute(_PUT_OFF, values)

    async def end(self, errand: Errand) -> None:
        await self._connection.execute(_END, errand._asdict())

    async def count(self, merchant_id: UUID, key_id: str) -> int:
        query = f"""
            SELECT count(*) FROM {self._table.name}
            WHERE merchant_id = :merchant_id AND {self._sealed_with}
        """
        values = {"merchant_id": merchant_id, "keys": [key_id]}
        return int((await self._connection.execute(text(query), values)).scalar_one())

    @property
    def _sealed_with(self) -> str:
        either = (f"{each}_key = ANY(CAST(:keys AS text[]))" for each in self._table.columns)
        return f"({' OR '.join(either)})"


def sealed_rows(table: SealedTable) -> Callable[[Connection], PostgresSealedRows]:
    """The stores of a transaction, for ``World.units``."""
    return lambda connection: PostgresSealedRows(connection, table)
