"""Members who leave: deleted by their shop, or merged into another member."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.merging import ToldMerge
from ports.purchases import MemberKey


class Leaving(Protocol):
    """Works inside one transaction. Who has left is a member no more, and what is learnt of them
    later does not make them one."""

    async def leave(self, members: Iterable[MemberKey], at: datetime) -> None:
        """Let these members leave. One never heard of has left too."""
        ...

    async def merge(self, merchant_id: UUID, told: Sequence[ToldMerge], at: datetime) -> None:
        """Learn who stands for whom (``domain.merging.learn_merges``): who was merged has left, and
        is found as who stands for them."""
        ...
