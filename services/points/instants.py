"""Instants that requests name: any that every store can keep."""

from collections.abc import Mapping
from datetime import UTC, datetime

from domain.errors import Problem


def instant_problems(named: Mapping[str, datetime | None]) -> list[Problem]:
    """By pointer, those that are before or after all time once their offset is taken off."""
    problems = []
    for pointer, at in named.items():
        try:
            if at is not None:
                at.astimezone(UTC)
        except OverflowError:
            problems.append(Problem(pointer, "is before or after all time"))
    return problems
