"""``ports.dead_letters.DeadLetters`` on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from ports.dead_letters import OPEN, REPLAYED, Letter, NewLetter, OpenLetter

_FILE: Final = text(
    """
    INSERT INTO dead_letters (
        merchant_id, letter_id, event, event_id, subject, consumer, reason, tries, said_at, trace,
        died_at, payload
    )
    SELECT * FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:ids AS uuid[]), CAST(:events AS text[]),
        CAST(:event_ids AS text[]), CAST(:subjects AS text[]), CAST(:consumers AS text[]),
        CAST(:reasons AS text[]), CAST(:tries AS integer[]), CAST(:said AS text[]),
        CAST(:traces AS text[]), CAST(:died AS timestamptz[]), CAST(:payloads AS bytea[])
    )
    """
)
_COLUMNS: Final = "letter_id, event, event_id, consumer, reason, tries, died_at, replayed_at"
_LETTERS: Final = text(
    f"""
    SELECT {_COLUMNS} FROM dead_letters
    WHERE merchant_id = :merchant_id AND letter_id < CAST(:before AS uuid)
        AND (:state = '' OR (replayed_at IS NULL) = (:state = 'open'))
    ORDER BY letter_id DESC LIMIT :most
    """
)
_ONE: Final = "FROM dead_letters WHERE merchant_id = :merchant_id AND letter_id = :letter_id"
_LETTER: Final = text(f"SELECT {_COLUMNS} {_ONE}")
_CONTENT: Final = text(
    f"SELECT letter_id, subject, event_id, consumer, said_at, trace, payload {_ONE}"
)
_REPLAYED: Final = text(
    """
    UPDATE dead_letters SET replayed_at = :at
    WHERE merchant_id = :merchant_id AND letter_id = :letter_id AND replayed_at IS NULL
    """
)
_LAST: Final = UUID(int=2**128 - 1)


class PostgresDeadLetters:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def file(self, letters: Sequence[NewLetter]) -> None:
        await self._connection.execute(
            _FILE,
            {
                "merchants": [each.merchant_id for each in letters],
                "ids": [each.letter_id for each in letters],
                "events": [each.event for each in letters],
                "event_ids": [each.died.event_id for each in letters],
                "subjects": [each.died.subject for each in letters],
                "consumers": [each.died.consumer for each in letters],
                "reasons": [each.died.reason for each in letters],
                "tries": [each.died.tries for each in letters],
                "said": [each.died.said_at for each in letters],
                "traces": [each.trace for each in letters],
                "died": [each.at for each in letters],
                "payloads": [each.died.payload for each in letters],
            },
        )

    async def letters(
        self, merchant_id: UUID, state: str, before: UUID | None, limit: int
    ) -> Sequence[Letter]:
        rows = await self._connection.execute(
            _LETTERS,
            {
                "merchant_id": merchant_id,
                "state": state,
                "before": before or _LAST,
                "most": limit,
            },
        )
        return [_letter(row) for row in rows]

    async def letter(self, merchant_id: UUID, letter_id: UUID) -> Letter | None:
        rows = await self._connection.execute(
            _LETTER, {"merchant_id": merchant_id, "letter_id": letter_id}
        )
        row = rows.one_or_none()
        return None if row is None else _letter(row)

    async def content(self, merchant_id: UUID, letter_id: UUID) -> OpenLetter | None:
        rows = await self._connection.execute(
            _CONTENT, {"merchant_id": merchant_id, "letter_id": letter_id}
        )
        row = rows.one_or_none()
        return None if row is None else OpenLetter(*row)

    async def mark_replayed(self, merchant_id: UUID, letter_id: UUID, at: datetime) -> None:
        await self._connection.execute(
            _REPLAYED, {"merchant_id": merchant_id, "letter_id": letter_id, "at": at}
        )


def _letter(row: Row) -> Letter:
    return Letter(
        letter_id=row.letter_id,
        event=row.event,
        event_id=row.event_id,
        consumer=row.consumer,
        reason=row.reason,
        tries=row.tries,
        state=OPEN if row.replayed_at is None else REPLAYED,
        at=row.died_at,
        replayed_at=row.replayed_at,
    )
