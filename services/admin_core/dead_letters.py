"""Dead letters: filed as they come, listed without their content, replayed on demand."""

from collections.abc import Sequence
from typing import Any, Final

from contracts.admin_core import (
    DeadLetter,
    ListDeadLetters,
    ReplayDeadLetter,
)
from contracts.admin_core import DeadLetters as DeadLetterPage
from contracts.caller import Caller
from contracts.paging import cursor_of, limit_problems
from domain.errors import InvalidRequest, NotFound, Problem
from ports.dead_letters import OPEN, REPLAYED, DeadLetters, Letter, NewLetter, Replay
from ports.events import Received
from ports.unit import Unit, Units

_STATES: Final = ("", OPEN, REPLAYED)


async def file_letters(unit: Unit[DeadLetters], events: Sequence[Received[Any]]) -> None:
    """Keep what consumers have put aside; the same event dying again is a new letter."""
    await unit.stores.file(
        [
            NewLetter(
                letter_id=unit.new_id(),
                merchant_id=event.merchant_id,
                event=_event_name(event.body.subject),
                died=event.body,
                trace=event.trace,
                at=event.at,
            )
            for event in events
        ]
    )


def _event_name(subject: str) -> str:
    """``orders.create`` of ``shop.orders.create.<merchant>``."""
    return subject.partition(".")[2].rpartition(".")[0]


class DeadLetterDesk:
    def __init__(self, units: Units[DeadLetters], replay: Replay) -> None:
        self._units = units
        self._replay = replay

    async def find(self, caller: Caller, request: ListDeadLetters) -> DeadLetterPage:
        problems = limit_problems(request.limit)
        before = cursor_of(request.cursor, problems)
        if request.state not in _STATES:
            problems.append(Problem("/state", f"must be {OPEN}, {REPLAYED} or empty"))
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.letters(
                caller.tenant, request.state, before, request.limit + 1
            )
        page = found[: request.limit]
        return DeadLetterPage(
            letters=tuple(map(_letter, page)),
            next_cursor=str(page[-1].letter_id) if len(found) > len(page) else None,
        )

    async def replay(self, caller: Caller, request: ReplayDeadLetter) -> DeadLetter:
        """Send the event again, then note it: a crash between leaves an open letter, and to send
        an event once more is harmless."""
        async with self._units() as unit:
            content = await unit.stores.content(caller.tenant, request.letter_id)
        if content is None:
            raise NotFound
        await self._replay(content)
        async with self._units() as unit:
            await unit.stores.mark_replayed(caller.tenant, request.letter_id, unit.now())
            letter = await unit.stores.letter(caller.tenant, request.letter_id)
        if letter is None:
            raise NotFound
        return _letter(letter)


def _letter(letter: Letter) -> DeadLetter:
    return DeadLetter(
        letter_id=letter.letter_id,
        event=letter.event,
        event_id=letter.event_id,
        consumer=letter.consumer,
        reason=letter.reason,
        tries=letter.tries,
        state=letter.state,
        died_at=letter.at,
        replayed_at=letter.replayed_at,
    )
