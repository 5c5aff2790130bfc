"""Every example of docs/activities.md, run."""

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from domain.birthdays import Birthday
from domain.points.clawback import clawback_target
from domain.points.earning import purchase_points
from domain.points.earning_limits import EVER, Counted, EarningLimit, Every, days_asked, room_for
from tests.domain.shop import USD, order

PAGE = Path(__file__).parents[2] / "docs" / "activities.md"
LIMIT = re.compile(r"(\d+) (times|points) (?:in )?(?:a (day|week|month|lifetime)|(\d+) days)")
EARNED = re.compile(r"((?:\d+, )*\d+) on (\d+ \w+)")


def table(*head: str) -> list[list[str]]:
    """The rows of the table with these headings."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = lines.index(f"| {' | '.join(head)} |") + 2
    found = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    assert found
    return found


def day(text: str, year: int = 2026) -> date:
    return datetime.strptime(f"{text} {year}", "%d %B %Y").date()  # noqa: DTZ007 - a day, no time


def limit(text: str) -> EarningLimit:
    told = LIMIT.fullmatch(text)
    assert told is not None, text
    number, what, every, days = told.groups()
    times, points = (int(number) if what == each else 0 for each in ("times", "points"))
    return EarningLimit(Every(every or "days"), times, points, int(days or 0))


@pytest.mark.parametrize(
    ("rule", "earned", "then", "gives"), table("limit", "earned", "then", "gives")
)
def test_a_limit(rule: str, earned: str, then: str, gives: str) -> None:
    counted: dict[date, Counted] = defaultdict(Counted)
    for points, on in EARNED.findall(earned):
        for each in points.split(", "):
            for when in (day(on), EVER):
                counted[when] += Counted(1, int(each))
    ((points, on),) = EARNED.findall(then)
    first, last = days_asked([limit(rule)], day(on))
    asked = {each: counted[each] for each in counted if each == EVER or first <= each <= last}
    room = room_for([limit(rule)], asked, day(on)).points
    assert (int(points) if room is None else min(room, int(points))) == int(gives)


@pytest.mark.parametrize("row", table("order", "the limits leave", "refunded", "keeps"))
def test_an_order_within_a_limit(row: Sequence[str]) -> None:
    bought, room, refunded, keeps = row
    earned = purchase_points(USD, order(bought), room=int(room))
    kept = earned.points - clawback_target(earned.snapshot, Decimal(refunded))
    assert kept == int(keeps)


@pytest.mark.parametrize(("born", "year", "celebrated"), table("born", "in", "celebrates"))
def test_a_birthday(born: str, year: str, celebrated: str) -> None:
    told = day(born, 2000)
    assert Birthday(told.month, told.day).in_year(int(year)) == day(celebrated, int(year))
