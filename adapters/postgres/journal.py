"""``ports.unit.Journal``, as rows beside the service's own."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from adapters.journal import inbox_key, input_hashes
from adapters.postgres.connection import Connection, text
from domain.errors import DuplicateRequest

_CLAIM: Final = text(
    """
    INSERT INTO inbox (id, consumer, at)
    SELECT id, :consumer, :at FROM unnest(CAST(:ids AS uuid[])) AS id
    ON CONFLICT DO NOTHING
    RETURNING id
    """
)
_TAKE_KEY: Final = text(
    """
    INSERT INTO answers (merchant_id, operation, key, input_hash, at)
    VALUES (:merchant_id, :operation, :key, :input_hash, :at)
    ON CONFLICT DO NOTHING
    """
)
_FIND_KEY: Final = text(
    """
    SELECT input_hash, answer FROM answers
    WHERE merchant_id = :merchant_id AND operation = :operation AND key = :key
    """
)
_KEEP: Final = text(
    """
    UPDATE answers SET answer = :answer
    WHERE merchant_id = :merchant_id AND operation = :operation AND key = :key
    """
)


_bytes: Final = attrgetter("bytes")


class PostgresJournal:
    def __init__(self, connection: Connection, now: datetime, input_keys: Sequence[bytes]) -> None:
        self._connection = connection
        self._now = now
        self._input_keys = input_keys

    async def claim(self, consumer: str, event_ids: Sequence[str]) -> set[str]:
        named = {inbox_key(event_id): event_id for event_id in event_ids}
        rows = await self._connection.execute(
            # Sorted, so that two transactions that share events wait for, not on, each other.
            _CLAIM, {"consumer": consumer, "at": self._now, "ids": sorted(named, key=_bytes)}
        )  # fmt: skip
        return {named[key] for key in rows.scalars()}

    async def claim_key(
        self, merchant_id: UUID, operation: str, key: str, request: bytes
    ) -> bytes | None:
        where = {"merchant_id": merchant_id, "operation": operation, "key": key}
        hashes = input_hashes(self._input_keys, request)
        taken = await self._connection.execute(
            _TAKE_KEY, where | {"input_hash": hashes[0], "at": self._now}
        )
        if taken.rowcount:
            return None
        row = (await self._connection.execute(_FIND_KEY, where)).one()
        if bytes(row.input_hash) not in hashes:
            raise DuplicateRequest
        return bytes(row.answer)

    async def keep_answer(self, merchant_id: UUID, operation: str, key: str, answer: bytes) -> None:
        await self._connection.execute(
            _KEEP,
            {"merchant_id": merchant_id, "operation": operation, "key": key, "answer": answer},
        )
