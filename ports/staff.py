"""The staff of shops: invited by hand, met when they log in, and known by their log-ins after."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from ports.people import People, PersonKey


class SubjectKey(NamedTuple):
    merchant_id: UUID
    subject: str


class StaffBook(People, Protocol):
    """Works inside one transaction."""

    async def meet(
        self, subjects: Mapping[SubjectKey, PersonKey], at: datetime
    ) -> Sequence[PersonKey]:
        """Keep people of whom nothing is known but their log-ins, where they are not known yet.
        Answers those who were not."""
        ...

    async def link(self, key: PersonKey, subject: str, at: datetime) -> bool:
        """Let these be the log-ins of somebody who was invited, and of nobody of whom nothing else
        is known. False when they are of somebody who has a name or an address: then nothing has
        changed."""
        ...

    async def dismiss(self, key: PersonKey) -> bool:
        """Keep nothing of a member of staff. False when there was nothing."""
        ...
