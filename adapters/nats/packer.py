"""Storing events that come one by one: those that come while others are on their way go together.

Like a database's group commit: whoever comes alone waits for nobody, and the more come, the less
each costs.
"""

import asyncio
import logging
from collections import OrderedDict
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

_Outcome = bool | Unavailable


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event that is on its way, and who wants to know what became of it."""

    event: Carried
    since: float  # as the loop's clock has it
    told: list[asyncio.Future[_Outcome]]


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
        self._known: OrderedDict[str, _Waiting | None] = OrderedDict()
        """By event id, oldest first; None for what is stored. In a plain dict the oldest is found
        behind all that were removed before it, which took 3 µs for each event."""

    async def store(self, event: Carried) -> bool:
        """Store one event. Returns False when it was stored before.

        Raises Unavailable when that cannot be promised in time; it may be stored nevertheless, so
        a repeat must carry the same id.
        """
        is_repeat = event.id in self._known
        waiting = self._known[event.id] if is_repeat else self._line_up(event)
        if waiting is None:
            return False
        # Whoever brought the event may go away meanwhile; it is stored all the same, and others
        # who wait for it are told: each by a future of its own.
        told: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        waiting.told.append(told)
        outcome = await told
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome and not is_repeat

    def _line_up(self, event: Carried) -> _Waiting:
        waiting = _Waiting(event, asyncio.get_running_loop().time(), [])
        self._known[event.id] = waiting
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        topic, _, _ = event.subject.rpartition(".")
        line = self._lines.setdefault(topic, _Line(topic))
        line.waiting.append(waiting)
        if line.sending is None:
            line.sending = asyncio.create_task(self._send(line), name=f"packer {topic}")
        return waiting

    async def _send(self, line: _Line) -> None:
        try:
            while line.waiting:
                events = next(portions(each.event for each in line.waiting))
                first = line.waiting[: len(events)]
                del line.waiting[: len(events)]
                self._tell(first, await self._publish(line.topic, events, first[0].since))
        finally:
            line.sending = None

    async def _publish(self, topic: str, events: Sequence[Carried], since: float) -> _Outcome:
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

    def _tell(self, waiting: Sequence[_Waiting], outcome: _Outcome) -> None:
        for each in waiting:
            if isinstance(outcome, Unavailable):
                self._known.pop(each.event.id, None)  # the next try is one of its own
            elif each.event.id in self._known:
                self._known[each.event.id] = None
            for told in each.told:
                if not told.done():
                    told.set_result(outcome)
