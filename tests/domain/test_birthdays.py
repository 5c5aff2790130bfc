"""Birthdays: each comes once in every year, with or without a year, on 29 February too."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.birthdays import Birthday, celebrated_on, problems_of

days = st.dates(date(2000, 1, 1), date(2000, 12, 31)).map(lambda day: (day.month, day.day))
years = st.integers(2020, 2110)


@given(days, years)
def test_everybody_has_one_birthday_in_a_year(day: tuple[int, int], year: int) -> None:
    birthday = Birthday(*day)
    told = [
        each
        for each in (date(year, 1, 1) + timedelta(days=n) for n in range(366))
        if each.year == year and day in celebrated_on(each)
    ]
    assert told == [birthday.in_year(year)]


@given(days, years)
def test_from_one_to_the_next_it_is_a_year(day: tuple[int, int], year: int) -> None:
    """So that what may be given once in 365 days may be given on each of them."""
    birthday = Birthday(*day)
    assert (birthday.in_year(year + 1) - birthday.in_year(year)).days in (365, 366)


@given(days, st.none() | st.integers(1904, 2024).map(lambda year: year - year % 4))
def test_it_is_written_and_read(day: tuple[int, int], year: int | None) -> None:
    birthday = Birthday(*day, year=year)
    assert Birthday.parse(str(birthday)) == birthday
    assert repr(birthday) == "Birthday()"  # never in a log


@pytest.mark.parametrize(
    ("year", "day"),
    [(2028, date(2028, 2, 29)), (2027, date(2027, 2, 28)), (2100, date(2100, 2, 28))],
)
def test_who_was_born_on_29_february(year: int, day: date) -> None:
    assert Birthday(2, 29, 1996).in_year(year) == day


@pytest.mark.parametrize(
    ("month", "day", "year", "pointers"),
    [
        (2, 29, None, []),
        (2, 29, 1996, []),
        (2, 29, 1997, ["/day"]),
        (2, 30, None, ["/day"]),
        (13, 1, None, ["/day"]),
        (0, 0, 0, ["/day"]),
        (1, 1, 1899, ["/year"]),
        (6, 2, 2026, ["/year"]),
        (6, 1, 2026, []),
        (1, 1, 10**9, ["/day"]),
        (1, 10**18, 0, ["/day"]),
        (1, 1, 0, ["/day"]),
    ],
)
def test_what_is_no_birthday(month: int, day: int, year: int | None, pointers: list[str]) -> None:
    found = problems_of(month, day, year, date(2026, 6, 1))
    assert [problem.pointer for problem in found] == pointers
