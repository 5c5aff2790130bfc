"""The work queue as the use cases need it: tasks, their handlers, and the events they record."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.errors import Problem
from domain.tasks import TaskState
from ports.unit import Unit

Value = str | int | float | bool | None
Payload = Mapping[str, Value]


class TaskKey(NamedTuple):
    merchant_id: UUID
    task_id: UUID


@dataclass(frozen=True, slots=True)
class NewTask:
    """``due_at`` is when it is to be put in line; None for one that is in line already."""

    key: TaskKey
    kind: str
    payload: Payload
    created_by: str
    created_at: datetime
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task whose turn has come; ``tries`` counts those before this one."""

    key: TaskKey
    kind: str
    payload: Payload
    created_by: str
    created_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class FailedTry:
    """``due_at`` is when to try again; None for a task that is given up."""

    key: TaskKey
    reason: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredTask:
    task_id: UUID
    kind: str
    state: TaskState
    tries: int
    last_error: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class TrackedEvent:
    """Something a person did in a page of ours; ``event_id`` makes it this one and no other."""

    merchant_id: UUID
    event_id: UUID
    name: str
    properties: Payload
    actor: str
    at: datetime


class ShopNews(NamedTuple):
    """Whether a shop is closed since ``at``; a closed one has its tasks wait."""

    closed: bool
    at: datetime


class Tasks(Protocol):
    """Works inside one transaction."""

    async def heed(self, news: Mapping[UUID, ShopNews], now: datetime) -> None:
        """Remember which shops are closed, unless newer news are known. In one that is open again,
        the time of those tasks comes now that would have been worked off meanwhile."""
        ...

    async def add(self, tasks: Sequence[NewTask]) -> None: ...

    async def claim(self, keys: Collection[TaskKey]) -> Sequence[ClaimedTask]:
        """Those of the tasks that are in line, or were given up and are now tried again. They are
        held until the transaction ends; a task that waits for its time, or for its shop to open,
        or is done is left out."""
        ...

    async def complete(self, keys: Collection[TaskKey], at: datetime) -> None:
        """Claimed tasks are done, with one try more."""
        ...

    async def fail(self, failures: Sequence[FailedTry], at: datetime) -> None:
        """Claimed tasks have failed, with one try more."""
        ...

    async def take_due(self, at: datetime, limit: int) -> Sequence[tuple[TaskKey, str]]:
        """Put tasks of open shops in line whose time has come: their keys and kinds. Each is
        handed out once."""
        ...

    async def task(self, key: TaskKey) -> StoredTask | None: ...

    async def tasks(
        self, merchant_id: UUID, state: TaskState | None, before: UUID | None, limit: int
    ) -> Sequence[StoredTask]:
        """A shop's tasks, newest first, those made before the task ``before``."""
        ...

    def attempt(self) -> AbstractAsyncContextManager[None]:
        """A part of the transaction that can fail alone: an error inside undoes only what was
        done inside, and goes on."""
        ...

    async def record(self, events: Sequence[TrackedEvent]) -> None:
        """Store product-analytics events; one that is known is left as it is."""
        ...


class TaskHandler(Protocol):
    """What works off the tasks of one kind, many at once, in the transaction that completes them:
    however often a task is delivered, its effect is there once."""

    @property
    def max_tries(self) -> int: ...

    def problems(self, payload: Payload) -> list[Problem]:
        """What is wrong with a task's content, with pointers into it."""
        ...

    async def run(self, unit: Unit[Tasks], tasks: Sequence[ClaimedTask]) -> None:
        """Raises for tasks that cannot be done now; they are then tried again one by one."""
        ...
