"""Birthdays: a month and a day, often without a year, and when they are celebrated."""

from calendar import isleap
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from domain.errors import Problem

OLDEST: Final = date(1900, 1, 1)
_LEAP_YEAR: Final = 2000


@dataclass(frozen=True, slots=True)
class Birthday:
    """``year`` is None where only the day is told. Raises ValueError or OverflowError for a
    day that does not exist in any year, or not in that one."""

    month: int = field(repr=False)
    day: int = field(repr=False)
    year: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        date(_LEAP_YEAR if self.year is None else self.year, self.month, self.day)

    @staticmethod
    def of(born: date) -> "Birthday":
        return Birthday(born.month, born.day, born.year)

    @staticmethod
    def parse(text: str) -> "Birthday":
        """What ``str`` wrote; ValueError for anything else."""
        if text.startswith("--"):
            return Birthday(int(text[2:4]), int(text[5:7]))
        return Birthday.of(date.fromisoformat(text))

    def __str__(self) -> str:
        """ISO 8601: ``1990-03-10``, or ``--03-10`` without a year."""
        year = "-" if self.year is None else f"{self.year:04}"
        return f"{year}-{self.month:02}-{self.day:02}"

    @property
    def born(self) -> date | None:
        """The day of birth, where the year is known."""
        return None if self.year is None else date(self.year, self.month, self.day)

    def in_year(self, year: int) -> date:
        """When it is celebrated; who was born on 29 February has the 28th in other years."""
        if (self.month, self.day) == (2, 29) and not isleap(year):
            return date(year, 2, 28)
        return date(year, self.month, self.day)


def celebrated_on(day: date) -> tuple[tuple[int, int], ...]:
    """The months and days of those who celebrate on a day."""
    if (day.month, day.day) == (2, 28) and not isleap(day.year):
        return ((2, 28), (2, 29))
    return ((day.month, day.day),)


def problems_of(month: int, day: int, year: int | None, today: date) -> list[Problem]:
    """What is wrong with a birthday somebody tells. Never repeats it."""
    try:
        birthday = Birthday(month, day, year)
    except (ValueError, OverflowError):
        return [Problem("/day", "There is no such day.")]
    born = birthday.born
    if born is not None and not OLDEST <= born <= today:
        return [Problem("/year", f"Expected a day from {OLDEST} until today.")]
    return []
