"""Queued tasks: states and waiting times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.tasks import (
    FIRST_DELAY,
    LONGEST_DELAY,
    MAX_TRIES,
    IllegalTaskMove,
    TaskState,
    after_failure,
    backoff,
    move,
)


def test_the_life_of_a_task():
    assert move(TaskState.PENDING, TaskState.RUNNING) is TaskState.RUNNING
    assert move(TaskState.RUNNING, TaskState.COMPLETED) is TaskState.COMPLETED
    assert move(TaskState.DEAD, TaskState.PENDING) is TaskState.PENDING
    for state, to in (
        (TaskState.COMPLETED, TaskState.RUNNING),
        (TaskState.PENDING, TaskState.COMPLETED),
        (TaskState.DEAD, TaskState.COMPLETED),
    ):
        with pytest.raises(IllegalTaskMove):
            move(state, to)


def test_a_task_dies_after_its_last_try():
    assert after_failure(MAX_TRIES - 1) is TaskState.PENDING
    assert after_failure(MAX_TRIES) is TaskState.DEAD
    assert after_failure(1, max_tries=1) is TaskState.DEAD


def test_waiting_doubles():
    assert [backoff(tries, 0.0) for tries in (1, 2, 3)] == [1.0, 2.0, 4.0]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waiting_is_bounded_and_never_short(tries, jitter):
    assert FIRST_DELAY / 2 <= backoff(tries, jitter) <= LONGEST_DELAY
    assert backoff(tries, jitter) >= backoff(tries, 0.0)
