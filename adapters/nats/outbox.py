"""What the relay needs of an outbox, whatever keeps it, and how events look in it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import msgspec

from adapters.nats.packs import Carried, carried
from ports.events import Outgoing, Said


class Outbox(Protocol):
    """One service's outbox. Each method is a transaction of its own and raises Unavailable when
    the storage is away."""

    @property
    def service(self) -> str:
        """Whose it is."""
        ...

    async def remove(self, done: Sequence[Said], kept: Sequence[Said]) -> None:
        """Take out what is ``done``; of ``kept`` only those events stay that it still holds."""
        ...

    async def oldest(self) -> datetime | None:
        """When that was said which has waited longest; None when nothing waits."""
        ...

    async def left(self, before: datetime, skip: int, most: int) -> Sequence[Said]:
        """What was said before a time and is still there, oldest first, without the first few."""
        ...

    async def forget(self, inbox_before: datetime, answers_before: datetime) -> None:
        """Drop what the inbox and the answers to idempotency keys remember from before."""
        ...


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(tuple[Carried, ...]).decode


def outbox_row(said: Said) -> str:
    """The events of a row of the outbox."""
    return _encode([carried(each) for each in said.events]).decode()


def read_outbox(batch_id: UUID, at: datetime, events: str) -> Said:
    """A row of the outbox as what was said."""
    return Said(
        batch_id,
        at,
        tuple(
            Outgoing(each.id, each.subject, bytes(each.payload), each.at, each.trace, each.actor)
            for each in _decode(events)
        ),
    )
