"""Storing events that come one by one: those that come while others are on their way go together.

Like a database's group commit: whoever comes alone waits for nobody, and the more come, the less
each costs.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.nats.packs import MANY, Carried, parcel, portions
from adapters.nats.publisher import UNCONFIRMED, Publisher
from domain.errors import Unavailable

log = logging.getLogger(__name__)

_REMEMBERED: Final = 20_000
"""Ids of stored events. The stream knows the ids of messages only, and a repeat may come in another
message; what neither of them remembers, the consumers do."""

_Stored = asyncio.Future[bool | Unavailable]


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: Carried
    since: float  # as the loop's clock has it
    stored: _Stored


@dataclass(slots=True)
class _Line:
    """The events of one topic that are to be stored."""

    topic: str
    waiting: list[_Waiting] = field(default_factory=list)
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
        line.waiting.append(_Waiting(event, loop.time(), stored))
        if line.sending is None:
            line.sending = asyncio.create_task(self._send(line), name=f"packer {topic}")
        return stored

    async def _send(self, line: _Line) -> None:
        try:
            while line.waiting:
                events = next(portions(each.event for each in line.waiting))
                first = line.waiting[: len(events)]
                del line.waiting[: len(events)]
                self._tell(first, await self._publish(line.topic, events, first[0].since))
        finally:
            line.sending = None

    async def _publish(
        self, topic: str, events: Sequence[Carried], since: float
    ) -> bool | Unavailable:
        left = self._seconds - (asyncio.get_running_loop().time() - since)
        if left <= 0:
            return Unavailable(UNCONFIRMED)
        subjects = {event.subject for event in events}
        subject = subjects.pop() if len(subjects) == 1 else f"{topic}.{MANY}"
        try:
            message = parcel(subject, events)
            return await self._publisher.publish(
                message.subject, message.payload, message.headers, left
            )
        except Unavailable as error:
            return error
        except Exception:
            # Whatever it was: somebody waits, others behind them, and a repeat for the same.
            log.exception("events of %s were not stored", topic)
            return Unavailable(UNCONFIRMED)

    def _tell(self, waiting: Sequence[_Waiting], outcome: bool | Unavailable) -> None:
        for each in waiting:
            if isinstance(outcome, Unavailable):
                self._stored.pop(each.event.id, None)  # the next try is one of its own
            if not each.stored.done():
                each.stored.set_result(outcome)
