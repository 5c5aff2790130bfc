"""Earning limits: nothing ever passes one, whatever comes when, and they end when they say."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.days import day_of, start_of
from domain.points.earning_limits import (
    EVER,
    NOTHING,
    Counted,
    EarningLimit,
    Every,
    days_asked,
    ends_at,
    problems_of,
    room_for,
)

DAY = timedelta(days=1)
FIRST = date(2026, 1, 15)
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Africa/Cairo", "America/Havana",
         "Australia/Lord_Howe", "Pacific/Auckland", "Asia/Kathmandu")  # fmt: skip
days = st.integers(0, 80).map(lambda number: FIRST + timedelta(days=number))
bounds = st.tuples(st.integers(0, 4), st.integers(0, 200)).filter(any)


@st.composite
def limit(draw: st.DrawFn) -> EarningLimit:
    every = draw(st.sampled_from(Every))
    times, points = draw(bounds)
    length = draw(st.integers(2, 40)) if every is Every.DAYS else 0
    return EarningLimit(every, times, points, length)


def stretches(rule: EarningLimit, touched: list[date]) -> list[list[date]]:
    """Every stretch of the rule's kind, as a person would list them."""
    if rule.every is Every.LIFETIME:
        return [touched]
    if rule.every is Every.DAYS:
        begins = [min(touched) + timedelta(days=n) for n in range(-40, 90)]
        return [[d for d in touched if b <= d < b + timedelta(days=rule.days)] for b in begins]
    of: dict[object, list[date]] = defaultdict(list)
    for day in touched:
        key = {
            Every.DAY: day,
            Every.WEEK: day.isocalendar()[:2],
            Every.MONTH: (day.year, day.month),
        }
        of[key[rule.every]].append(day)
    return list(of.values())


@given(st.lists(limit(), min_size=1, max_size=3), st.lists(st.tuples(days, st.integers(1, 120))))
def test_no_stretch_ever_holds_more_than_its_limit(
    limits: list[EarningLimit], tries: list[tuple[date, int]]
) -> None:
    """In whatever order the days come, also backwards."""
    counted: dict[date, Counted] = defaultdict(Counted)
    for day, points in tries:
        first, last = days_asked(limits, day)
        seen = {d: c for d, c in counted.items() if d == EVER or first <= d <= last}
        room = room_for(limits, seen, day)
        given_now = points if room.points is None else min(points, room.points)
        if given_now:
            counted[day] += Counted(1, given_now)
            counted[EVER] += Counted(1, given_now)
    touched = [day for day in counted if day != EVER]
    for rule in limits if touched else ():
        for stretch in stretches(rule, touched):
            total = sum((counted[day] for day in stretch), NOTHING)
            assert rule.times == 0 or total.times <= rule.times
            assert rule.points == 0 or total.points <= rule.points


@given(limit(), st.lists(st.tuples(days, st.integers(1, 120)), max_size=12))
def test_a_limit_takes_no_more_than_it_must(
    rule: EarningLimit, earned: list[tuple[date, int]]
) -> None:
    """What is refused would have passed the limit; what is left reaches it exactly."""
    counted: dict[date, Counted] = defaultdict(Counted)
    for day, points in earned:
        counted[day] += Counted(1, points)
        counted[EVER] += Counted(1, points)
    day = FIRST + timedelta(days=40)
    room = room_for([rule], counted, day)
    more = counted | {day: counted[day] + Counted(1, room.points or 1)}
    touched = [each for each in more if each != EVER]
    worst = [sum((more[d] for d in s), NOTHING) for s in stretches(rule, touched) if day in s]
    times, points = max(w.times for w in worst), max(w.points for w in worst)
    if room.points == 0:
        assert (rule.times and times > rule.times) or (rule.points and points > rule.points)
    elif room.points is not None:
        assert points == rule.points
    else:
        assert rule.points == 0


@given(limit(), st.lists(st.tuples(days, st.integers(1, 120)), max_size=12), st.sampled_from(ZONES))
def test_a_limit_ends_when_it_says(
    rule: EarningLimit, earned: list[tuple[date, int]], zone: str
) -> None:
    counted: dict[date, Counted] = defaultdict(Counted)
    for day, points in earned:
        if day <= FIRST + timedelta(days=40):
            counted[day] += Counted(1, points)
            counted[EVER] += Counted(1, points)
    day = FIRST + timedelta(days=40)
    left = room_for([rule], counted, day).points
    until = ends_at(rule, counted, day, zone)
    if until is None:
        assert rule.every is Every.LIFETIME
        return
    ends_on = day_of(until, zone)
    assert ends_on > day
    between = [day + timedelta(days=n) for n in range((ends_on - day).days)]
    assert {room_for([rule], counted, each).points for each in between} == {left}
    if left == 0:
        assert room_for([rule], counted, ends_on).points != 0


@given(st.dates(date(2013, 1, 1), date(2037, 12, 31)), st.sampled_from(ZONES))
@example(date(2026, 3, 8), "America/New_York")  # 23 hours
@example(date(2026, 11, 1), "America/New_York")  # 25 hours
@example(date(2026, 4, 24), "Africa/Cairo")  # begins at one o'clock
@example(date(2026, 11, 1), "America/Havana")  # has two midnights
def test_days_of_a_shop_follow_each_other_without_a_gap(day: date, zone: str) -> None:
    begins, ends = start_of(day, zone), start_of(day + DAY, zone)
    assert timedelta(hours=22) < ends - begins < timedelta(hours=26)
    instant = timedelta(microseconds=1)
    assert day_of(begins, zone) == day_of(ends - instant, zone) == day
    assert day_of(begins - instant, zone) == day - DAY


def test_days_on_which_clocks_are_changed_are_one_day_each() -> None:
    hours = [
        (later - earlier) / timedelta(hours=1)
        for earlier, later in pairwise(
            start_of(day, "Europe/Berlin") for day in (date(2026, 3, 29), date(2026, 3, 30))
        )
    ]
    assert hours == [23]
    last = datetime(2026, 10, 25, 22, 59, tzinfo=UTC)  # 23:59, the 25th hour of that day
    assert day_of(last, "Europe/Berlin") == date(2026, 10, 25)


def test_once_in_365_days_is_no_shorter_than_a_birthday_s_year() -> None:
    once = EarningLimit(Every.DAYS, times=1, days=365)
    for born in (date(2027, 3, 10), date(2028, 2, 29), date(2027, 2, 28)):
        in_a_year = date(born.year + 1, born.month, min(born.day, 28))
        counted = {born: Counted(1, 200)}
        assert room_for([once], counted, in_a_year).points is None
        assert room_for([once], counted, born + timedelta(days=364)).points == 0


def test_what_makes_no_sense_is_told() -> None:
    wrong = [
        EarningLimit(Every.DAY),
        EarningLimit(Every.WEEK, times=-1, points=-1),
        EarningLimit(Every.DAYS, times=1),
        EarningLimit(Every.DAYS, times=1, days=367),
        EarningLimit(Every.MONTH, times=1, days=3),
        EarningLimit(Every.LIFETIME, times=1),
    ]
    assert [problem.pointer for problem in problems_of(wrong, "/l")] == [
        "/l/0", "/l/1/times", "/l/1/points", "/l/2/days", "/l/3/days", "/l/4/days",
    ]  # fmt: skip
    assert problems_of([wrong[-1]] * 9, "/l")[0].pointer == "/l"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (EarningLimit(Every.DAY, times=2), "at most 2 times in a day"),
        (EarningLimit(Every.DAYS, points=50, days=30), "at most 50 points in 30 days"),
        (EarningLimit(Every.LIFETIME, 1, 9), "at most 1 times and 9 points in a lifetime"),
    ],
)
def test_a_limit_names_itself(rule: EarningLimit, said: str) -> None:
    assert str(rule) == said
