"""Keeping a copy of what is revoked where those who do not speak to auth can look."""

import logging
from datetime import datetime
from typing import Final

from domain.errors import Unavailable
from ports.sessions import RevokedCopy, SessionBook
from ports.unit import Units

log = logging.getLogger(__name__)

COPY_SECONDS: Final = 1.0
"""How often it is looked for something new."""


class Copying:
    """The storage is the truth and is asked first, so that nothing is lost while the copy is away:
    once it is back, it gets everything that it may have missed."""

    def __init__(self, units: Units[SessionBook], copy: RevokedCopy) -> None:
        self._units = units
        self._copy = copy
        self._since: datetime | None = None
        self._away = False

    async def run(self) -> None:
        try:
            await self._bring_up_to_date()
        except Unavailable:
            if not self._away:
                log.warning("what is revoked cannot be copied for now; gateways do not need it")
            self._away = True
        else:
            self._away = False

    async def _bring_up_to_date(self) -> None:
        since = self._since if await self._copy.is_whole() else None
        async with self._units() as unit:
            as_of, revoked = await unit.stores.revoked(since)
            now = unit.now()
        await self._copy.put(revoked, now)
        self._since = as_of
