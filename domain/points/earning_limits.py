"""How much a member may earn by one rule: so often, or so many points, in a stretch of time.

A stretch is made of days of the shop's calendar, so nothing here depends on how long a day is where
clocks are changed. What counts is kept per day, and for all time; a stretch is some of those days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Final

from domain.days import start_of
from domain.errors import LimitReached, Problem

MAX_LIMITS: Final = 8
MAX_DAYS: Final = 366
MAX_TIMES: Final = 1_000_000
MAX_POINTS: Final = 1_000_000_000
EVER: Final = date.min
"""Stands for all time, where otherwise a day stands."""
_DAY: Final = timedelta(days=1)


class Every(StrEnum):
    """The stretch that a limit is for. WEEK begins on Monday; DAYS is any stretch of so many days,
    wherever it begins."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    DAYS = "days"
    LIFETIME = "lifetime"


@dataclass(frozen=True, slots=True)
class EarningLimit:
    """At most so many ``times`` and so many ``points`` in each stretch; 0 sets no such bound.
    ``days`` is how long a stretch of DAYS is, and 0 for every other."""

    every: Every
    times: int = 0
    points: int = 0
    days: int = 0

    def __str__(self) -> str:
        most = [f"{n} {what}" for n, what in ((self.times, "times"), (self.points, "points")) if n]
        within = f"{self.days} days" if self.every is Every.DAYS else f"a {self.every}"
        return f"at most {' and '.join(most)} in {within}"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was earned by a rule in a day, or so far."""

    times: int = 0
    points: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.times + other.times, self.points + other.points)


NOTHING: Final = Counted()


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be earned: ``points``, None for any number; ``limit`` is what bounds it."""

    points: int | None = None
    limit: EarningLimit | None = None


OPEN: Final = Room()
"""Where nothing bounds what may be earned."""


def limit_reached(limit: EarningLimit, until: datetime | None) -> LimitReached:
    """The refusal of what a limit leaves nothing of, ``until`` then; None for ever."""
    how_long = "for good" if until is None else f"until {until.isoformat()}"
    return LimitReached(f"The limit is reached {how_long}: {limit}.")


def days_asked(limits: Sequence[EarningLimit], day: date) -> tuple[date, date]:
    """The first and the last day whose counts say what may be earned on ``day``."""
    stretches = [_stretch(limit, day) for limit in limits if limit.every is not Every.LIFETIME]
    firsts, lasts = [first for first, _ in stretches], [last for _, last in stretches]
    return min(firsts, default=day), max(lasts, default=day)


def room_for(limits: Sequence[EarningLimit], counted: Mapping[date, Counted], day: date) -> Room:
    """What may be earned on ``day`` once more, given what was on each day (``days_asked``) and
    altogether (``EVER``): the least of what each limit leaves."""
    tightest = OPEN
    for limit in limits:
        left = _left(limit, counted, day)
        if left is not None and (tightest.points is None or left < tightest.points):
            tightest = Room(left, limit)
    return tightest


def ends_at(
    limit: EarningLimit, counted: Mapping[date, Counted], day: date, time_zone: str
) -> datetime | None:
    """When a limit leaves more than on ``day``, if nothing is earned until then; None for never."""
    match limit.every:
        case Every.LIFETIME:
            return None
        case Every.DAYS:
            left = _left(limit, counted, day)
            length = timedelta(days=limit.days)
            # Something changes only when a day on which something was earned is no longer in it.
            later = sorted(each + length for each in counted if each != EVER)
            changed = (each for each in later if each > day and _left(limit, counted, each) != left)
            ends_on = next(changed, day + length)
        case _:
            ends_on = _stretch(limit, day)[1] + _DAY
    return start_of(ends_on, time_zone)


def problems_of(limits: Sequence[EarningLimit], pointer: str) -> list[Problem]:
    """Everything wrong with limits."""
    found = []
    if len(limits) > MAX_LIMITS:
        found.append(Problem(pointer, f"at most {MAX_LIMITS}"))
    for index, limit in enumerate(limits):
        at = f"{pointer}/{index}"
        for name, value, most in (
            ("times", limit.times, MAX_TIMES),
            ("points", limit.points, MAX_POINTS),
        ):
            if not 0 <= value <= most:
                found.append(Problem(f"{at}/{name}", f"must be between 0 and {most}"))
        if limit.times == 0 and limit.points == 0:
            found.append(Problem(at, "a limit says how many times or how many points"))
        if limit.every is Every.DAYS and not 2 <= limit.days <= MAX_DAYS:
            found.append(Problem(f"{at}/days", f"must be between 2 and {MAX_DAYS}"))
        if limit.every is not Every.DAYS and limit.days != 0:
            found.append(Problem(f"{at}/days", "is for every: days only"))
    return found


def _stretch(limit: EarningLimit, day: date) -> tuple[date, date]:
    """The days that count for ``day``. Of DAYS all that any stretch with that day in it has: what
    is told late may come before what was counted already."""
    match limit.every:
        case Every.WEEK:
            first = day - timedelta(days=day.weekday())
            return first, first + timedelta(days=6)
        case Every.MONTH:
            return day.replace(day=1), _next_month(day) - _DAY
        case Every.DAYS:
            length = timedelta(days=limit.days - 1)
            return day - length, day + length
        case _:
            return day, day


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _left(limit: EarningLimit, counted: Mapping[date, Counted], day: date) -> int | None:
    """Points that the limit leaves; None where it only bounds how often, and is not reached."""
    used = _used(limit, counted, day)
    if limit.times and used.times >= limit.times:
        return 0
    return max(0, limit.points - used.points) if limit.points else None


def _used(limit: EarningLimit, counted: Mapping[date, Counted], day: date) -> Counted:
    """What counts already; of DAYS the most that any stretch with ``day`` in it has."""
    if limit.every is Every.LIFETIME:
        return counted.get(EVER, NOTHING)
    first, last = _stretch(limit, day)
    by_day = [(each.toordinal(), counted[each]) for each in counted if first <= each <= last]
    if limit.every is not Every.DAYS:
        return sum((each for _, each in by_day), NOTHING)
    times, points = [0] * (2 * limit.days), [0] * (2 * limit.days)
    for number, each in by_day:
        # Up to the end of each day; the first is left 0, so that differences begin there.
        times[number - first.toordinal() + 1] = each.times
        points[number - first.toordinal() + 1] = each.points
    times, points = list(accumulate(times)), list(accumulate(points))
    ends = range(limit.days, 2 * limit.days)
    return Counted(
        max(times[end] - times[end - limit.days] for end in ends),
        max(points[end] - points[end - limit.days] for end in ends),
    )
