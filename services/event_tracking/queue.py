"""Putting work in line, now or at its time, and looking at it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from contracts.caller import Caller
from contracts.event_tracking import (
    TASK_CREATED,
    CreatedTasks,
    CreateTask,
    CreateTasks,
    GetTask,
    ListTasks,
    Task,
    TaskMoved,
    TasksDue,
    Tracked,
    TrackEvent,
    queue_of,
)
from contracts.event_tracking import Tasks as TaskPage
from contracts.paging import cursor_of, limit_problems
from domain.errors import InvalidRequest, NotFound, Problem
from domain.tasks import TaskState
from ports.tasks import NewTask, StoredTask, TaskHandler, TaskKey, Tasks
from ports.unit import Unit, Units
from services.event_tracking.handlers import NAME, TRACK_EVENT

_MOST_AT_ONCE: Final = 500
_MOST_BYTES: Final = 32_768
_TOGETHER: Final = 25
"""Tasks in one message: enough to make the message cheap, few enough to be shared by workers."""

_STATES: Final = (TaskState.PENDING, TaskState.COMPLETED, TaskState.DEAD)


class Queue:
    def __init__(self, units: Units[Tasks], handlers: Mapping[str, TaskHandler]) -> None:
        self._units = units
        self._handlers = handlers

    async def create(self, unit: Unit[Tasks], caller: Caller, request: CreateTask) -> Task:
        _refuse(self._problems(request))
        (task,) = await self._add(unit, caller, [request])
        return Task(
            task_id=task.key.task_id,
            kind=task.kind,
            state=TaskState.PENDING,
            tries=0,
            created_at=task.created_at,
        )

    async def create_many(
        self, unit: Unit[Tasks], caller: Caller, request: CreateTasks
    ) -> CreatedTasks:
        if not 1 <= len(request.tasks) <= _MOST_AT_ONCE:
            _refuse([Problem("/tasks", f"must be 1 to {_MOST_AT_ONCE}")])
        _refuse(
            [
                Problem(f"/tasks/{number}{problem.pointer}", problem.detail)
                for number, task in enumerate(request.tasks)
                for problem in self._problems(task)
            ]
        )
        added = await self._add(unit, caller, request.tasks)
        return CreatedTasks(task_ids=tuple(task.key.task_id for task in added))

    async def track(self, unit: Unit[Tasks], caller: Caller, request: TrackEvent) -> Tracked:
        problems = []
        if NAME in request.properties:
            problems.append(Problem(f"/properties/{NAME}", "is the name of the event itself"))
        task = CreateTask(kind=TRACK_EVENT, payload=request.properties | {NAME: request.name})
        for problem in self._problems(task):
            # The task keeps its content in one place, the request in two.
            pointer = problem.pointer.removeprefix("/payload") or "/properties"
            problems.append(Problem(pointer, problem.detail))
        _refuse(problems)
        (added,) = await self._add(unit, caller, [task])
        return Tracked(task_id=added.key.task_id)

    async def get(self, caller: Caller, request: GetTask) -> Task:
        async with self._units() as unit:
            found = await unit.stores.task(TaskKey(caller.tenant, request.task_id))
        if found is None:
            raise NotFound
        return _task(found)

    async def find(self, caller: Caller, request: ListTasks) -> TaskPage:
        problems = limit_problems(request.limit)
        before = cursor_of(request.cursor, problems)
        if request.state and request.state not in _STATES:
            problems.append(Problem("/state", f"must be one of {', '.join(_STATES)}"))
        _refuse(problems)
        state = TaskState(request.state) if request.state else None
        async with self._units() as unit:
            found = await unit.stores.tasks(caller.tenant, state, before, request.limit + 1)
        page = found[: request.limit]
        return TaskPage(
            tasks=tuple(map(_task, page)),
            next_cursor=str(page[-1].task_id) if len(found) > len(page) else None,
        )

    def _problems(self, request: CreateTask) -> list[Problem]:
        problems = []
        handler = self._handlers.get(request.kind)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            problems.append(Problem("/kind", f"must be one of {known}"))
        elif len(msgspec.json.encode(request.payload)) > _MOST_BYTES:
            problems.append(Problem("/payload", f"must be at most {_MOST_BYTES} bytes of JSON"))
        else:
            problems += (
                Problem(f"/payload{problem.pointer}", problem.detail)
                for problem in handler.problems(request.payload)
            )
        return problems

    async def _add(
        self, unit: Unit[Tasks], caller: Caller, requests: Sequence[CreateTask]
    ) -> Sequence[NewTask]:
        now = unit.now()
        tasks = [
            NewTask(
                key=TaskKey(caller.tenant, unit.new_id()),
                kind=request.kind,
                payload=request.payload,
                created_by=caller.name,
                created_at=now,
                due_at=_later(request.not_before, now),
            )
            for request in requests
        ]
        await unit.stores.add(tasks)
        in_line: dict[str, list[UUID]] = defaultdict(list)
        for task in tasks:
            moved = TaskMoved(task_id=task.key.task_id, kind=task.kind, tries=0, occurred_at=now)
            unit.emit(TASK_CREATED, moved, task.key.merchant_id)
            if task.due_at is None:
                in_line[task.kind].append(task.key.task_id)
        for kind, task_ids in in_line.items():
            for start in range(0, len(task_ids), _TOGETHER):
                put_in_line(unit, caller.tenant, kind, task_ids[start : start + _TOGETHER])
        return tasks


def put_in_line(unit: Unit[Tasks], merchant_id: UUID, kind: str, task_ids: Sequence[UUID]) -> None:
    """Hand tasks of one kind to whichever worker is free, once the transaction holds."""
    unit.emit(queue_of(kind), TasksDue(task_ids=tuple(task_ids)), merchant_id)


def _later(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment > now else None


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise InvalidRequest(problems=problems)


def _task(stored: StoredTask) -> Task:
    return Task(
        task_id=stored.task_id,
        kind=stored.kind,
        state=stored.state,
        tries=stored.tries,
        last_error=stored.last_error,
        created_at=stored.created_at,
        finished_at=stored.finished_at,
    )
