"""Queued tasks: their states, and how long to wait before the next try."""

from enum import StrEnum

from domain.errors import Kind, LoyaltyError


class TaskState(StrEnum):
    """PENDING waits for its time; DEAD has used up its tries and waits for a person."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    DEAD = "dead"


_NEXT = {
    TaskState.PENDING: frozenset((TaskState.RUNNING,)),
    TaskState.RUNNING: frozenset((TaskState.COMPLETED, TaskState.PENDING, TaskState.DEAD)),
    TaskState.COMPLETED: frozenset[TaskState](),
    TaskState.DEAD: frozenset((TaskState.PENDING,)),
}

MAX_TRIES = 8
FIRST_DELAY = 2.0
LONGEST_DELAY = 900.0


class IllegalTaskMove(LoyaltyError):
    code = "ILLEGAL_TASK_MOVE"
    kind = Kind.CONFLICT
    title = "A task in this state cannot do that."


def move(state: TaskState, to: TaskState) -> TaskState:
    """``to``, if a task may go there from ``state``. Raises IllegalTaskMove."""
    if to not in _NEXT[state]:
        raise IllegalTaskMove
    return to


def after_failure(tries: int, max_tries: int = MAX_TRIES) -> TaskState:
    """Where a task goes whose try number ``tries`` (from 1) failed: back in line, or dead."""
    return TaskState.PENDING if tries < max_tries else TaskState.DEAD


def backoff(tries: int, jitter: float) -> float:
    """Seconds to wait after failed try number ``tries`` (from 1): doubling from FIRST_DELAY up to
    LONGEST_DELAY, of which ``jitter`` (0 up to 1, drawn by the caller) decides the upper half, so
    that tasks which failed together do not come back together."""
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(tries - 1, 30))
    return longest * (1 + jitter) / 2
