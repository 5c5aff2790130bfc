"""``ports.tasks.Tasks`` on PostgreSQL: whole batches claimed, completed and put back at once."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from adapters.postgres.connection import Connection, DatabaseError, Row, text
from adapters.postgres.database import is_away
from adapters.postgres.rows import as_rows
from domain.errors import Unavailable
from domain.tasks import TaskState
from ports.tasks import (
    ClaimedTask,
    FailedTry,
    NewTask,
    Payload,
    ShopNews,
    StoredTask,
    TaskKey,
    TrackedEvent,
)

_KEYS: Final = (
    "unnest(CAST(:merchants AS uuid[]), CAST(:ids AS uuid[])) AS k (merchant_id, task_id)"
)
_ADD: Final = text(
    """
    INSERT INTO queue_tasks (
        merchant_id, task_id, kind, payload, created_by, created_at, due_at, state, tries,
        last_error
    )
    SELECT n.*, 'pending', 0, '' FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:ids AS uuid[]), CAST(:kinds AS text[]),
        CAST(:payloads AS text[]), CAST(:actors AS text[]), CAST(:created AS timestamptz[]),
        CAST(:due AS timestamptz[])
    ) AS n
    """
)
# Locked in one order, so that two batches never wait in a circle. Whoever waited for another worker
# sees the row as that one left it, and finds it no longer claimable.
_CLAIM: Final = text(
    f"""
    SELECT t.merchant_id, t.task_id, t.kind, t.payload, t.created_by, t.created_at, t.tries
    FROM {_KEYS} JOIN queue_tasks t USING (merchant_id, task_id)
    WHERE t.due_at IS NULL AND t.state <> 'completed' AND NOT EXISTS (
        SELECT FROM closed_shops c WHERE c.merchant_id = t.merchant_id AND c.closed
    )
    ORDER BY t.merchant_id, t.task_id
    FOR UPDATE OF t
    """
)
_COMPLETE: Final = text(
    f"""
    UPDATE queue_tasks t SET state = 'completed', tries = tries + 1, finished_at = :at
    FROM {_KEYS} WHERE t.merchant_id = k.merchant_id AND t.task_id = k.task_id
    """
)
_FAIL: Final = text(
    """
    UPDATE queue_tasks t SET
        state = CASE WHEN k.due_at IS NULL THEN 'dead' ELSE 'pending' END,
        finished_at = CASE WHEN k.due_at IS NULL THEN CAST(:at AS timestamptz) END,
        tries = tries + 1, last_error = k.reason, due_at = k.due_at
    FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:ids AS uuid[]), CAST(:reasons AS text[]),
        CAST(:due AS timestamptz[])
    ) AS k (merchant_id, task_id, reason, due_at)
    WHERE t.merchant_id = k.merchant_id AND t.task_id = k.task_id
    """
)
_TAKE_DUE: Final = text(
    """
    UPDATE queue_tasks SET due_at = NULL WHERE (merchant_id, task_id) IN (
        SELECT merchant_id, task_id FROM queue_tasks t WHERE due_at <= :at AND NOT EXISTS (
            SELECT FROM closed_shops c WHERE c.merchant_id = t.merchant_id AND c.closed
        )
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING merchant_id, task_id, kind
    """
)
# What was delivered while its shop was closed has no message in line any more.
_HEED: Final = text(
    """
    WITH changed AS (
        INSERT INTO closed_shops AS c (merchant_id, closed, changed_at)
        SELECT merchant_id, closed, at
        FROM json_to_recordset(CAST(:rows AS json))
            AS r (merchant_id uuid, closed boolean, at timestamptz)
        ORDER BY merchant_id
        ON CONFLICT (merchant_id) DO UPDATE
            SET closed = excluded.closed, changed_at = excluded.changed_at
            WHERE c.changed_at < excluded.changed_at
        RETURNING merchant_id, closed
    )
    UPDATE queue_tasks t SET due_at = :now FROM changed
    WHERE NOT changed.closed AND t.merchant_id = changed.merchant_id
        AND t.state = 'pending' AND t.due_at IS NULL
    """
)
_STORED: Final = "task_id, kind, state, tries, last_error, created_at, finished_at"
_TASK: Final = text(
    f"SELECT {_STORED} FROM queue_tasks WHERE merchant_id = :merchant_id AND task_id = :task_id"
)
_TASKS: Final = text(
    f"""
    SELECT {_STORED} FROM queue_tasks
    WHERE merchant_id = :merchant_id AND task_id < CAST(:before AS uuid)
        AND (CAST(:state AS text) IS NULL OR state = :state)
    ORDER BY task_id DESC LIMIT :most
    """
)
_RECORD: Final = text(
    """
    INSERT INTO events (merchant_id, event_id, name, properties, actor, at)
    SELECT * FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:ids AS uuid[]), CAST(:names AS text[]),
        CAST(:properties AS jsonb[]), CAST(:actors AS text[]), CAST(:ats AS timestamptz[])
    )
    ON CONFLICT DO NOTHING
    """
)
_LAST: Final = UUID(int=2**128 - 1)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, str | int | float | bool | None]).decode


class PostgresTasks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def heed(self, news: Mapping[UUID, ShopNews], now: datetime) -> None:
        rows = as_rows(
            {"merchant_id": merchant_id, "closed": each.closed, "at": each.at}
            for merchant_id, each in news.items()
        )
        await self._connection.execute(_HEED, {"rows": rows, "now": now})

    async def add(self, tasks: Sequence[NewTask]) -> None:
        await self._connection.execute(
            _ADD,
            _keys([task.key for task in tasks])
            | {
                "kinds": [task.kind for task in tasks],
                "payloads": [_text(task.payload) for task in tasks],
                "actors": [task.created_by for task in tasks],
                "created": [task.created_at for task in tasks],
                "due": [task.due_at for task in tasks],
            },
        )

    async def claim(self, keys: Collection[TaskKey]) -> Sequence[ClaimedTask]:
        rows = await self._connection.execute(_CLAIM, _keys(keys))
        return [
            ClaimedTask(
                key=TaskKey(merchant_id, task_id),
                kind=kind,
                payload=_decode(payload),
                created_by=created_by,
                created_at=created_at,
                tries=tries,
            )
            for merchant_id, task_id, kind, payload, created_by, created_at, tries in rows.all()
        ]

    async def complete(self, keys: Collection[TaskKey], at: datetime) -> None:
        if keys:
            await self._connection.execute(_COMPLETE, _keys(keys) | {"at": at})

    async def fail(self, failures: Sequence[FailedTry], at: datetime) -> None:
        if failures:
            await self._connection.execute(
                _FAIL,
                _keys([each.key for each in failures])
                | {
                    "reasons": [each.reason for each in failures],
                    "due": [each.due_at for each in failures],
                    "at": at,
                },
            )

    async def take_due(self, at: datetime, limit: int) -> Sequence[tuple[TaskKey, str]]:
        rows = await self._connection.execute(_TAKE_DUE, {"at": at, "most": limit})
        return [(TaskKey(row.merchant_id, row.task_id), row.kind) for row in rows]

    async def task(self, key: TaskKey) -> StoredTask | None:
        row = (await self._connection.execute(_TASK, key._asdict())).one_or_none()
        return None if row is None else _stored(row)

    async def tasks(
        self, merchant_id: UUID, state: TaskState | None, before: UUID | None, limit: int
    ) -> Sequence[StoredTask]:
        rows = await self._connection.execute(
            _TASKS,
            {
                "merchant_id": merchant_id,
                "state": state,
                "before": before or _LAST,
                "most": limit,
            },
        )
        return [_stored(row) for row in rows]

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        try:
            async with self._connection.savepoint():
                yield
        except DatabaseError as error:
            if is_away(error):
                # The whole transaction is lost, not only this part of it.
                raise Unavailable("The storage is not available.") from error
            raise

    async def record(self, events: Sequence[TrackedEvent]) -> None:
        await self._connection.execute(
            _RECORD,
            {
                "merchants": [event.merchant_id for event in events],
                "ids": [event.event_id for event in events],
                "names": [event.name for event in events],
                "properties": [_text(event.properties) for event in events],
                "actors": [event.actor for event in events],
                "ats": [event.at for event in events],
            },
        )


def _keys(keys: Collection[TaskKey]) -> dict[str, Any]:
    return {
        "merchants": [key.merchant_id for key in keys],
        "ids": [key.task_id for key in keys],
    }


def _text(payload: Payload) -> str:
    return _encode(payload).decode()


def _stored(row: Row) -> StoredTask:
    return StoredTask(
        task_id=row.task_id,
        kind=row.kind,
        state=TaskState(row.state),
        tries=row.tries,
        last_error=row.last_error,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
