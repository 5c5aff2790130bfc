"""A service's own copy of the shops' programs, kept up to date by ``settings.updated``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from contracts.core import SettingsUpdated
from domain.program import ProgramSettings
from ports.events import Received


def newest_programs(events: Sequence[Received[Any]]) -> dict[UUID, ProgramSettings]:
    """The newest program of each shop that ``settings.updated`` among these events tells of."""
    newest: dict[UUID, ProgramSettings] = {}
    for event in events:
        if isinstance(event.body, SettingsUpdated):
            settings = event.body.settings
            known = newest.get(event.merchant_id)
            if known is None or known.version < settings.version:
                newest[event.merchant_id] = settings
    return newest


class Programs(Protocol):
    """Works inside one transaction."""

    async def programs(
        self, merchants: Iterable[UUID], *, hold: bool = False
    ) -> Mapping[UUID, ProgramSettings]:
        """The latest program known of these shops; a shop that is not known is left out.

        ``hold`` keeps them from changing until this transaction ends: for those who write down
        what a program made of a member, so that a change finds everything the one before led to.
        """
        ...

    async def learn_programs(
        self, programs: Mapping[UUID, ProgramSettings]
    ) -> Mapping[UUID, ProgramSettings | None]:
        """Store the programs that are newer than what is known.

        Returns what they took the place of, by shop; None where nothing was known.
        """
        ...
