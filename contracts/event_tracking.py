"""Event tracking: a durable work queue with retries, for what need not happen at once."""

from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Idempotency,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from domain.errors import InvalidRequest, NotFound

_TRACKING: Final = "event_tracking"


class CreateTask(Request, frozen=True, kw_only=True):
    """``kind`` says who works it off; ``not_before`` postpones it. No personal data in it."""

    kind: str
    payload: dict[str, str | int | float | bool | None] = {}
    not_before: datetime | None = None


class Task(Response, frozen=True, kw_only=True):
    """``state`` is waiting, running, completed or failed; ``tries`` counts what was begun."""

    task_id: UUID
    kind: str
    state: str
    tries: int
    last_error: str = ""
    created_at: datetime
    finished_at: datetime | None = None


CREATE_TASK: Final = Operation(
    "event_tracking.v1.CreateTask",
    CreateTask,
    Task,
    permission="tasks:write",
    summary="Queue a piece of work.",
    http=post("/v1/api/tasks", status=201),
    errors=(InvalidRequest,),
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
    """Something a person did in a page of ours, for product analytics. No personal data."""

    name: str
    properties: dict[str, str | int | float | bool | None] = {}


class Tracked(Response, frozen=True, kw_only=True):
    task_id: UUID


TRACK_EVENT: Final = Operation(
    "event_tracking.v1.TrackEvent",
    TrackEvent,
    Tracked,
    permission="events:write",
    summary="Record the use of a feature.",
    http=post("/v1/api/events", status=202),
    errors=(InvalidRequest,),
    idempotency=Idempotency.KEY,
)


class TaskMoved(Body, frozen=True, kw_only=True):
    task_id: UUID
    kind: str
    tries: int
    error: str = ""
    occurred_at: datetime


TASK_CREATED: Final = Event("task.created", TaskMoved, _TRACKING, "Work was queued.")
TASK_COMPLETED: Final = Event("task.completed", TaskMoved, _TRACKING, "Work was done.")
TASK_FAILED: Final = Event(
    "task.failed", TaskMoved, _TRACKING, "Work was given up after its last try."
)

CONTRACTS: Final = Contracts(
    operations=(CREATE_TASK, GET_TASK, LIST_TASKS, TRACK_EVENT),
    events=(TASK_CREATED, TASK_COMPLETED, TASK_FAILED),
)
