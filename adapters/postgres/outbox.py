"""``adapters.nats.outbox.Outbox`` on PostgreSQL: one row for all that a transaction says."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from adapters.nats.outbox import outbox_row, read_outbox
from adapters.postgres.connection import Connection, text
from adapters.postgres.database import Database
from adapters.postgres.tenancy import ACROSS_SHOPS, NO_SHOP
from ports.events import Said

_SEND: Final = text("INSERT INTO outbox (id, at, events) VALUES (:id, :at, :events)")
_DELETE: Final = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS uuid[]))")
_KEEP: Final = text("UPDATE outbox SET events = :events WHERE id = :id")
_LEFT: Final = text(
    "SELECT id, at, events FROM outbox WHERE at < :before ORDER BY at, id OFFSET :skip LIMIT :most"
)
_OLDEST: Final = text("SELECT min(at) FROM outbox")
_FORGET_INBOX: Final = text("DELETE FROM inbox WHERE at < :before")
_FORGET_ANSWERS: Final = text("DELETE FROM answers WHERE at < :before")


class PostgresOutbox:
    def __init__(self, database: Database) -> None:
        self.service = database.service
        self._database = database

    async def remove(self, done: Sequence[Said], kept: Sequence[Said]) -> None:
        async with self._database.transaction(NO_SHOP) as connection:
            if done:
                await connection.execute(_DELETE, {"ids": [said.id for said in done]})
            for said in kept:
                await connection.execute(_KEEP, {"id": said.id, "events": outbox_row(said)})

    async def oldest(self) -> datetime | None:
        async with self._database.transaction(NO_SHOP) as connection:
            found: datetime | None = (await connection.execute(_OLDEST)).scalar_one()
        return found

    async def left(self, before: datetime, skip: int, most: int) -> Sequence[Said]:
        asked = {"before": before, "skip": skip, "most": most}
        async with self._database.transaction(NO_SHOP) as connection:
            rows = await connection.execute(_LEFT, asked)
            return [read_outbox(row.id, row.at, row.events) for row in rows]

    async def forget(self, inbox_before: datetime, answers_before: datetime) -> None:
        async with self._database.transaction(ACROSS_SHOPS) as connection:
            await connection.execute(_FORGET_INBOX, {"before": inbox_before})
            await connection.execute(_FORGET_ANSWERS, {"before": answers_before})


async def write_outbox(connection: Connection, said: Said) -> None:
    """All that a transaction says is one row: what is written and removed for each batch, rather
    than for each event, costs next to nothing."""
    row = {"id": said.id, "at": said.at, "events": outbox_row(said)}
    await connection.execute(_SEND, row)
