"""Working tasks off: a batch is claimed, run and completed at once; what fails comes again."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from contracts.event_tracking import TASK_COMPLETED, TASK_FAILED, TaskMoved
from domain.errors import LoyaltyError, Unavailable
from domain.tasks import TaskState, after_failure, backoff
from ports.events import Received
from ports.tasks import ClaimedTask, FailedTry, TaskHandler, TaskKey, Tasks
from ports.unit import Unit, Units
from services.event_tracking.queue import put_in_line

log = logging.getLogger(__name__)

_AT_ONCE: Final = 500
_JITTER_MASK: Final = 0xFFFF_FFFF


class Workers:
    def __init__(self, handlers: Mapping[str, TaskHandler]) -> None:
        self._handlers = handlers

    async def work(self, unit: Unit[Tasks], events: Sequence[Received[Any]]) -> None:
        """Run the tasks whose turn has come. A delivery of one that is done does nothing; that of
        one that was given up (a replay) is one more try."""
        causes = {
            TaskKey(event.merchant_id, task_id): event
            for event in events
            for task_id in event.body.task_ids
        }
        claimed = await unit.stores.claim(causes)
        by_kind: dict[str, list[ClaimedTask]] = defaultdict(list)
        for task in claimed:
            by_kind[task.kind].append(task)
        failures: dict[TaskKey, str] = {}
        for kind, tasks in by_kind.items():
            failures |= await self._run(unit, self._handlers[kind], tasks)
        await self._settle(unit, claimed, failures, causes)

    async def _run(
        self, unit: Unit[Tasks], handler: TaskHandler, tasks: Sequence[ClaimedTask]
    ) -> dict[TaskKey, str]:
        """All at once, and if that fails one by one. Returns which failed, and why."""
        said = len(unit.outgoing)
        try:
            async with unit.stores.attempt():
                await handler.run(unit, tasks)
        except Unavailable:
            raise
        except Exception as error:
            del unit.outgoing[said:]
            if len(tasks) == 1:
                reason = _reason(error)
                log.warning("a task of kind %s failed (%s)", tasks[0].kind, reason)
                return {tasks[0].key: reason}
        else:
            return {}
        failures: dict[TaskKey, str] = {}
        for task in tasks:
            failures |= await self._run(unit, handler, [task])
        return failures

    async def _settle(
        self,
        unit: Unit[Tasks],
        tasks: Sequence[ClaimedTask],
        failures: Mapping[TaskKey, str],
        causes: Mapping[TaskKey, Received[Any]],
    ) -> None:
        now = unit.now()
        await unit.stores.complete([task.key for task in tasks if task.key not in failures], now)
        tries: list[FailedTry] = []
        for task in tasks:
            cause = causes[task.key]
            reason = failures.get(task.key, "")
            moved = TaskMoved(
                task_id=task.key.task_id,
                kind=task.kind,
                tries=task.tries + 1,
                error=reason,
                occurred_at=now,
            )
            if not reason:
                unit.emit(TASK_COMPLETED, moved, task.key.merchant_id, cause=cause)
            elif after_failure(moved.tries, self._handlers[task.kind].max_tries) is TaskState.DEAD:
                tries.append(FailedTry(task.key, reason, None))
                unit.emit(TASK_FAILED, moved, task.key.merchant_id, cause=cause)
                unit.give_up(cause, reason)
            else:
                wait = timedelta(seconds=backoff(moved.tries, _jitter(unit)))
                tries.append(FailedTry(task.key, reason, now + wait))
        await unit.stores.fail(tries, now)


async def put_due_in_line(units: Units[Tasks]) -> None:
    """Put tasks in line that were postponed, or wait to be tried again."""
    while True:
        async with units() as unit:
            due = await unit.stores.take_due(unit.now(), _AT_ONCE)
            for key, kind in due:
                # One by one: should it be this one's last try, its dead letter is its own.
                put_in_line(unit, key.merchant_id, kind, [key.task_id])
        if len(due) < _AT_ONCE:
            return


def _reason(error: Exception) -> str:
    # Only our own errors have texts that are safe to keep; of others the type must do.
    if isinstance(error, LoyaltyError):
        return f"{error.code}: {error.detail}"
    return type(error).__name__


def _jitter(unit: Unit[Tasks]) -> float:
    """From 0 up to 1: the last bits of a new id are random."""
    return (unit.new_id().int & _JITTER_MASK) / (_JITTER_MASK + 1)
