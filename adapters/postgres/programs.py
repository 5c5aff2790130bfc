"""``ports.programs.Programs`` on PostgreSQL."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from adapters.postgres.connection import Connection, text
from domain.program import ProgramSettings

_PROGRAMS: Final = (
    "SELECT merchant_id, settings FROM programs WHERE merchant_id = ANY(CAST(:ids AS uuid[]))"
)
_READ: Final = text(_PROGRAMS)
_HOLD: Final = text(f"{_PROGRAMS} ORDER BY merchant_id FOR SHARE")
_LEARN: Final = text(
    """
    INSERT INTO programs AS p (merchant_id, version, settings)
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:settings AS jsonb[])
    )
    ON CONFLICT (merchant_id) DO UPDATE SET version = excluded.version, settings = excluded.settings
    WHERE p.version < excluded.version
    RETURNING merchant_id, old.settings AS before
    """
)


class PostgresPrograms:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def programs(
        self, merchants: Iterable[UUID], *, hold: bool = False
    ) -> Mapping[UUID, ProgramSettings]:
        rows = await self._connection.execute(_HOLD if hold else _READ, {"ids": list(merchants)})
        return {row.merchant_id: decode_program(row.settings) for row in rows}

    async def learn_programs(
        self, programs: Mapping[UUID, ProgramSettings]
    ) -> Mapping[UUID, ProgramSettings | None]:
        if not programs:
            return {}
        merchants = sorted(programs)  # in one order everywhere, so that no two batches deadlock
        rows = await self._connection.execute(
            _LEARN,
            {
                "ids": merchants,
                "versions": [programs[merchant].version for merchant in merchants],
                "settings": [encode_program(programs[merchant]) for merchant in merchants],
            },
        )
        return {
            row.merchant_id: None if row.before is None else decode_program(row.before)
            for row in rows
        }


def encode_program(settings: ProgramSettings) -> str:
    return msgspec.json.encode(settings).decode()


def decode_program(stored: Any) -> ProgramSettings:
    if isinstance(stored, str | bytes):
        return msgspec.json.decode(stored, type=ProgramSettings, strict=False)
    return msgspec.convert(stored, ProgramSettings, strict=False)
