"""Event tracking: a durable work queue with retries, for what need not happen at once."""

from typing import Final
from uuid import UUID

import msgspec

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from domain.errors import DuplicateRequest, InvalidRequest, NotFound

_TRACKING: Final = "event_tracking"


class CreateTask(Request, frozen=True, kw_only=True):
    """``kind`` says who works it off; ``not_before`` postpones it. No personal data in it.

    Kinds: ``track_event`` (payload: ``name`` and its properties) and ``noop``, which does nothing.
    """

    kind: str
    payload: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)
    not_before: Instant | None = None


class Task(Response, frozen=True, kw_only=True):
    """``state`` is pending (in line, or waiting for its time), completed, or dead: given up after
    its last try. ``tries`` counts those that have ended."""

    task_id: UUID
    kind: str
    state: str
    tries: int
    last_error: str = ""
    created_at: Instant
    finished_at: Instant | None = None


CREATE_TASK: Final = Operation(
    "event_tracking.v1.CreateTask",
    CreateTask,
    Task,
    permission="tasks:write",
    summary="Queue a piece of work.",
    http=post("/v1/api/tasks", status=201),
    errors=(InvalidRequest, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class CreateTasks(Request, frozen=True, kw_only=True):
    """1 to 500 tasks, all of them or none."""

    tasks: tuple[CreateTask, ...]


class CreatedTasks(Response, frozen=True, kw_only=True):
    """In the order of the request."""

    task_ids: tuple[UUID, ...]


CREATE_TASKS: Final = Operation(
    "event_tracking.v1.CreateTasks",
    CreateTasks,
    CreatedTasks,
    permission="tasks:write",
    summary="Queue many pieces of work at once.",
    errors=(InvalidRequest, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class GetTask(Request, frozen=True, kw_only=True):
    task_id: UUID


GET_TASK: Final = Operation(
    "event_tracking.v1.GetTask",
    GetTask,
    Task,
    permission="tasks:read",
    summary="How far a piece of work is.",
    http=get("/v1/api/tasks/get"),
    errors=(NotFound,),
)


class ListTasks(Request, frozen=True, kw_only=True):
    """``state`` narrows to one; ``limit`` is 1 to 250; ``cursor`` comes from the page before."""

    state: str = ""
    cursor: str | None = None
    limit: int = 50


class Tasks(Page, frozen=True, kw_only=True):
    tasks: tuple[Task, ...]


LIST_TASKS: Final = Operation(
    "event_tracking.v1.ListTasks",
    ListTasks,
    Tasks,
    permission="tasks:read",
    summary="The shop's queued work, newest first.",
    http=get("/v1/api/tasks"),
    errors=(InvalidRequest,),
)


class TrackEvent(Request, frozen=True, kw_only=True):
    """Something a person did in a page of ours, for product analytics. No personal data; no
    property is called ``name``."""

    name: str
    properties: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)


class Tracked(Response, frozen=True, kw_only=True):
    task_id: UUID


TRACK_EVENT: Final = Operation(
    "event_tracking.v1.TrackEvent",
    TrackEvent,
    Tracked,
    permission="events:write",
    summary="Record the use of a feature.",
    http=post("/v1/api/events", status=202),
    errors=(InvalidRequest, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class TaskMoved(Body, frozen=True, kw_only=True):
    task_id: UUID
    kind: str
    tries: int
    error: str = ""
    occurred_at: Instant


TASK_CREATED: Final = Event("task.created", TaskMoved, _TRACKING, "Work was queued.")
TASK_COMPLETED: Final = Event("task.completed", TaskMoved, _TRACKING, "Work was done.")
TASK_FAILED: Final = Event(
    "task.failed", TaskMoved, _TRACKING, "Work was given up after its last try."
)


class TasksDue(Body, frozen=True, kw_only=True):
    """The turn of these tasks has come; what they are stands in the table."""

    task_ids: tuple[UUID, ...]


def queue_of(kind: str) -> Event[TasksDue]:
    """The work queue of one kind of task. Only event_tracking puts work there and takes it, so it
    is no part of what the mesh may rely on."""
    return Event(kind, TasksDue, _TRACKING, "Tasks whose turn has come.", prefix="task")


CONTRACTS: Final = Contracts(
    operations=(CREATE_TASK, CREATE_TASKS, GET_TASK, LIST_TASKS, TRACK_EVENT),
    events=(TASK_CREATED, TASK_COMPLETED, TASK_FAILED),
)
