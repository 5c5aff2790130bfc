"""``ports.programs.Programs`` on MongoDB."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from adapters.mongo.collections import PROGRAMS
from adapters.mongo.locks import PROGRAM, LockName
from adapters.mongo.transaction import Transaction
from domain.program import ProgramSettings


class MongoPrograms:
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._learnt: dict[UUID, ProgramSettings] = {}

    async def programs(
        self, merchants: Iterable[UUID], *, hold: bool = False
    ) -> Mapping[UUID, ProgramSettings]:
        asked = set(merchants)
        if hold:
            await self._hold_programs(asked)
        found = await self._transaction.find(PROGRAMS, {each: {} for each in asked})
        known = {each["merchant_id"]: _decode(each["settings"]) for each in found}
        return known | {each: self._learnt[each] for each in asked if each in self._learnt}

    async def learn_programs(
        self, programs: Mapping[UUID, ProgramSettings]
    ) -> Mapping[UUID, ProgramSettings | None]:
        if not programs:
            return {}
        await self._hold_programs(programs)
        known = await self.programs(programs)
        replaced: dict[UUID, ProgramSettings | None] = {}
        for merchant_id, settings in programs.items():
            before = known.get(merchant_id)
            if before is None or before.version < settings.version:
                replaced[merchant_id] = before
                self._learnt[merchant_id] = settings
                self._transaction.put(
                    PROGRAMS,
                    {
                        "merchant_id": merchant_id,
                        "version": settings.version,
                        "settings": msgspec.json.encode(settings).decode(),
                    },
                )
        return replaced

    async def _hold_programs(self, merchants: Iterable[UUID]) -> None:
        await self._transaction.lock(LockName(PROGRAM, each, "") for each in merchants)


def _decode(stored: str) -> ProgramSettings:
    return msgspec.json.decode(stored, type=ProgramSettings, strict=False)
