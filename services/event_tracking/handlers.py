"""What works off tasks, by kind. A new kind of work is one handler more."""

import re
from collections.abc import Sequence
from typing import Final

from domain.errors import Problem
from domain.tasks import MAX_TRIES
from ports.tasks import ClaimedTask, Payload, TaskHandler, Tasks, TrackedEvent
from ports.unit import Unit

NAME: Final = "name"
"""Where the event's name stands in a ``track_event`` task; the other keys are its properties."""

_EVENT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,99}")


class TrackEvents:
    """``track_event``: stores what people do in our pages, for product analytics."""

    max_tries = MAX_TRIES

    def problems(self, payload: Payload) -> list[Problem]:
        name = payload.get(NAME)
        if isinstance(name, str) and _EVENT_NAME.fullmatch(name):
            return []
        detail = "1 to 100 letters, digits and _ . : -, the first of them a letter"
        return [Problem(f"/{NAME}", detail)]

    async def run(self, unit: Unit[Tasks], tasks: Sequence[ClaimedTask]) -> None:
        await unit.stores.record(
            [
                TrackedEvent(
                    merchant_id=task.key.merchant_id,
                    event_id=task.key.task_id,
                    name=str(task.payload[NAME]),
                    properties={key: task.payload[key] for key in task.payload if key != NAME},
                    actor=task.created_by,
                    at=task.created_at,
                )
                for task in tasks
            ]
        )


class Noop:
    """``noop``: does nothing; shows that the queue works, and how fast."""

    max_tries = MAX_TRIES

    def problems(self, payload: Payload) -> list[Problem]:  # noqa: ARG002 - it takes anything
        return []

    async def run(self, unit: Unit[Tasks], tasks: Sequence[ClaimedTask]) -> None:
        pass


TRACK_EVENT: Final = "track_event"
HANDLERS: Final[dict[str, TaskHandler]] = {TRACK_EVENT: TrackEvents(), "noop": Noop()}
