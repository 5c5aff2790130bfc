"""Paging through lists: how many at once, and where the page before ended."""

from typing import Final
from uuid import UUID

from domain.errors import Problem

MOST: Final = 250
BAD_CURSOR: Final = Problem("/cursor", "This is no cursor of ours.")


def limit_problems(limit: int) -> list[Problem]:
    """What is wrong with the size of a page; empty if nothing is."""
    return [] if 1 <= limit <= MOST else [Problem("/limit", f"must be 1 to {MOST}")]


def cursor_of(cursor: str | None, problems: list[Problem]) -> UUID | None:
    """The id at which the page before ended; a cursor that is none is added to ``problems``."""
    if cursor is None:
        return None
    try:
        return UUID(cursor)
    except ValueError:
        problems.append(BAD_CURSOR)
        return None
