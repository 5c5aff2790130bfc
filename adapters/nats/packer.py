"""Storing events that come one by one: those that come while others are on their way go together.

Like a database's group commit: whoever comes alone waits for nobody, and the more come, the less
each costs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.nats.packs import MANY, Carried, parcel, portions
from adapters.nats.publisher import UNCONFIRMED, Publisher
from domain.errors import Unavailable

_REMEMBERED: Final = 20_000
"""Ids of stored events. The stream knows the ids of messages only, and a repeat may come in another
message; what neither of them remembers, the consumers do."""

_Stored = asyncio.Future[bool | Unavailable]


@dataclass(slots=True)
class _Line:
    """The events of one topic that are to be stored."""

    topic: str
    waiting: list[Carried] = field(default_factory=list)
    since: float = 0.0  # the first of them, as the loop's clock has it; nobody waited longer
    sending: asyncio.Task[None] | None = None


class Packer:
    """One process's way into a stream for events that must be stored before anything is answered.
    ``seconds`` is how long that may take."""

    def __init__(self, publisher: Publisher, seconds: float) -> None:
        self._publisher = publisher
        self._seconds = seconds
        self._lines: dict[str, _Line] = {}
        self._stored: dict[str, _Stored] = {}  # by event id, oldest first

    async def store(self, event: Carried) -> bool:
        """Store one event. Returns False when it was stored before.

        Raises Unavailable when that cannot be promised in time; it may be stored nevertheless, so
        a repeat must carry the same id.
        """
        known = self._stored.get(event.id)
        # Whoever brought the event may go away meanwhile; it is stored all the same.
        outcome = await asyncio.shield(self._line_up(event) if known is None else known)
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome and known is None

    def _line_up(self, event: Carried) -> _Stored:
        loop = asyncio.get_running_loop()
        stored: _Stored = loop.create_future()
        self._stored[event.id] = stored
        if len(self._stored) > _REMEMBERED:
            del self._stored[next(iter(self._stored))]
        topic, _, _ = event.subject.rpartition(".")
        line = self._lines.setdefault(topic, _Line(topic))
        if not line.waiting:
            line.since = loop.time()
        line.waiting.append(event)
        if line.sending is None:
            line.sending = asyncio.create_task(self._send(line), name=f"packer {topic}")
        return stored

    async def _send(self, line: _Line) -> None:
        try:
            while line.waiting:
                events = next(portions(line.waiting))
                del line.waiting[: len(events)]
                outcome: bool | Unavailable = Unavailable(UNCONFIRMED)
                try:
                    outcome = await self._publish(line, events)
                finally:  # whatever happens: somebody waits, and a repeat would wait for the same
                    self._tell(events, outcome)
        finally:
            line.sending = None

    async def _publish(self, line: _Line, events: Sequence[Carried]) -> bool | Unavailable:
        left = self._seconds - (asyncio.get_running_loop().time() - line.since)
        if left <= 0:
            return Unavailable(UNCONFIRMED)
        subjects = {event.subject for event in events}
        subject = subjects.pop() if len(subjects) == 1 else f"{line.topic}.{MANY}"
        message = parcel(subject, events)
        try:
            return await self._publisher.publish(
                message.subject, message.payload, message.headers, left
            )
        except Unavailable as error:
            return error

    def _tell(self, events: Sequence[Carried], outcome: bool | Unavailable) -> None:
        for event in events:
            stored = self._stored.get(event.id)
            if isinstance(outcome, Unavailable):
                self._stored.pop(event.id, None)  # the next try is one of its own
            if stored is not None and not stored.done():
                stored.set_result(outcome)
