"""``ports.settings.SettingsHistory`` on PostgreSQL."""

from collections.abc import Mapping, Set
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.programs import decode_program, encode_program
from domain.program import ProgramSettings
from ports.settings import Saved

_VERSION: Final = text(
    """
    SELECT settings, at, by FROM program_settings
    WHERE merchant_id = :merchant_id AND (:version = 0 OR version = :version)
    ORDER BY version DESC LIMIT 1
    """
)
_ADD: Final = text(
    """
    INSERT INTO program_settings (merchant_id, version, settings, at, by)
    SELECT merchant_id, version, settings, :at, :by FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:versions AS integer[]), CAST(:settings AS jsonb[])
    ) AS n (merchant_id, version, settings)
    ON CONFLICT DO NOTHING
    RETURNING merchant_id
    """
)


class PostgresSettings:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def version(self, merchant_id: UUID, version: int = 0) -> Saved | None:
        rows = await self._connection.execute(
            _VERSION, {"merchant_id": merchant_id, "version": version}
        )
        row = rows.one_or_none()
        return None if row is None else Saved(decode_program(row.settings), row.at, row.by)

    async def begin(
        self, settings: Mapping[UUID, ProgramSettings], at: datetime, by: str
    ) -> Set[UUID]:
        return await self._add(settings, at, by)

    async def save(self, merchant_id: UUID, saved: Saved) -> bool:
        return bool(await self._add({merchant_id: saved.settings}, saved.at, saved.by))

    async def _add(
        self, settings: Mapping[UUID, ProgramSettings], at: datetime, by: str
    ) -> Set[UUID]:
        merchants = sorted(settings)
        rows = await self._connection.execute(
            _ADD,
            {
                "merchants": merchants,
                "versions": [settings[merchant].version for merchant in merchants],
                "settings": [encode_program(settings[merchant]) for merchant in merchants],
                "at": at,
                "by": by,
            },
        )
        return set(rows.scalars())
