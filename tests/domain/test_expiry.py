"""What merchants may set, when lots end in any time zone, and that everything due happens once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.points.expiry import (
    NO_EXPIRY,
    Due,
    Expiry,
    ExpiryPolicy,
    NextExpiry,
    Soon,
    due,
    ends_at,
    first_look,
    life_of,
    next_expiry,
    problems_of,
)
from domain.points.lot import FOREVER, Life, Lot, Share
from domain.program import validate
from tests.domain.shop import USD

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Africa/Cairo",
     "America/Havana", "Asia/Beirut", "Pacific/Kiritimati", "Australia/Lord_Howe"]
)  # fmt: skip
INSTANTS = st.integers(1_230_000_000, 1_890_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


def days(after: int, **more: Any) -> Expiry:
    return Expiry(ExpiryPolicy.DAYS, after, **more)


def share(points: int, life: Life, number: int = 1, opened_at: datetime = AT) -> Share:
    return Share(Lot(UUID(int=number), points, opened_at, life), points)


@given(INSTANTS, ZONES, st.integers(1, 800))
def test_a_lot_expires_as_its_last_day_ends(at: datetime, name: str, after: int) -> None:
    zone = ZoneInfo(name)
    end = life_of(days(after), at, name).expires_at
    assert end is not None
    last = at.astimezone(zone).date() + after * DAY
    assert end.astimezone(zone).date() > last
    # Not a moment later than that day lasts; a day that a zone leaves out ends as it would begin.
    assert (end - timedelta(microseconds=1)).astimezone(zone).date() <= last


@given(INSTANTS, ZONES, st.integers(1, 60), st.booleans())
def test_months_end_by_the_calendar(at: datetime, name: str, after: int, to_end: bool) -> None:
    zone = ZoneInfo(name)
    end = life_of(Expiry(ExpiryPolicy.MONTHS, after, to_end), at, name).expires_at
    assert end is not None
    opened, last = at.astimezone(zone).date(), (end - timedelta(microseconds=1)).astimezone(zone)
    gone = (last.year - opened.year) * 12 + last.month - opened.month
    assert gone == after
    is_last_of_month = (end.astimezone(zone)).date().day == 1
    assert is_last_of_month if to_end else last.day == opened.day or is_last_of_month


def test_points_that_never_expire_need_no_look() -> None:
    assert life_of(NO_EXPIRY, AT, "UTC") == FOREVER
    assert first_look(NO_EXPIRY, FOREVER, AT, "UTC") is None
    assert due([share(5, FOREVER)], None, AT, AT + 9999 * DAY, days(3), "UTC") == Due((), (), None)


def test_the_first_look_is_at_the_first_warning_that_still_comes() -> None:
    life = life_of(days(30), AT, "UTC")
    end = datetime(2026, 6, 1, tzinfo=UTC)
    assert first_look(days(30), life, AT, "UTC") == end - 7 * DAY
    assert first_look(days(30, warn_days=0), life, AT, "UTC") == end - DAY
    assert first_look(days(30, warn_days=0, last_chance_days=0), life, AT, "UTC") == end
    assert first_look(days(30, warn_days=60, last_chance_days=50), life, AT, "UTC") == end


def test_idle_days_begin_with_the_last_activity_or_the_lot() -> None:
    life = Life(None, 10)
    assert ends_at(life, AT, "UTC") == datetime(2026, 5, 12, tzinfo=UTC)
    later = AT + 5 * DAY
    for opened_at, active_at, last_day in ((AT, later, 16), (later, AT, 16), (AT, None, 11)):
        found = due([share(5, life, opened_at=opened_at)], active_at, AT, later, days(1), "UTC")
        end = datetime(2026, 5, last_day + 1, tzinfo=UTC)
        warnings = [end - 7 * DAY, end - DAY]
        assert found.look_at == min(each for each in warnings if each > later)


def test_what_expires_next() -> None:
    one, two = Life(AT + DAY), Life(AT + 2 * DAY)
    assert next_expiry([], "UTC") is None
    assert next_expiry([(5, two, AT), (3, one, AT), (4, one, AT)], "UTC") == NextExpiry(AT + DAY, 7)
    assert next_expiry([(5, two, AT), (3, Life(None, 1), AT - 9 * DAY)], "UTC") == NextExpiry(
        datetime(2026, 4, 24, tzinfo=UTC), 3
    )


def test_points_of_one_end_are_warned_of_together() -> None:
    end = AT + 7 * DAY
    shares = [share(5, Life(end), 1), share(7, Life(end), 2), share(9, Life(end + DAY), 3)]
    shares = [each._replace(lot=each.lot._replace(opened_at=AT - 9 * DAY)) for each in shares]
    found = due(shares, None, AT - DAY, AT, days(30), "UTC")
    assert found == Due((), (Soon(end, 12, last_chance=False),), AT + DAY)
    late = due(shares, None, AT - DAY, end - DAY / 2, days(30), "UTC")
    assert late.warnings == (Soon(end, 12, last_chance=True), Soon(end + DAY, 9, last_chance=False))


@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.integers(0, 20)), max_size=6),
    st.lists(st.integers(1, 20), min_size=1, max_size=25),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_however_often_it_is_looked_each_warning_and_expiry_happens_once(
    told: list[tuple[int, bool, int]], steps: list[int], warn: int, last: int
) -> None:
    """Whatever the steps: as often as it is looked at, and as when it is looked at all the time."""
    expiry = days(3650, warn_days=warn, last_chance_days=last if last < warn else 0)
    shares = [
        share(n, Life(None, after) if idle else Life(AT + after * DAY), n, AT + opened * DAY / 3)
        for n, (after, idle, opened) in enumerate(told, 1)
    ]
    shares = [
        each for each in shares if not each.lot.life.expires_at
        or each.lot.life.expires_at > each.lot.opened_at
    ]  # fmt: skip
    now = looked_at = AT
    expired: list[Share] = []
    warned: list[tuple[datetime, bool]] = []
    for step in steps:
        now += step * DAY / 4
        there = [each for each in shares if each.lot.opened_at <= now and each not in expired]
        found = due(there, None, looked_at, now, expiry, "UTC")
        expired += found.expired
        warned += [(each.expires_at, each.last_chance) for each in found.warnings]
        assert due(there, None, now, now, expiry, "UTC").warnings == ()
        assert found.look_at is None or found.look_at > now
        if found.look_at is not None:
            still = [each for each in there if each not in found.expired]
            early = due(still, None, now, found.look_at - timedelta(microseconds=1), expiry, "UTC")
            assert early == Due((), (), found.look_at)
            on_time = due(still, None, now, found.look_at, expiry, "UTC")
            assert (
                on_time.expired
                or on_time.warnings
                or any(each.lot.opened_at > now for each in still)
            )
        looked_at = now
    assert len(set(expired)) == len(expired)
    ends = [(each, ends_at(each.lot.life, each.lot.opened_at, "UTC")) for each in shares]
    assert {each for each, end in ends if end is not None and end <= now} == set(expired)
    # Lots of one end that were opened at different times may be warned of at different times.
    assert len(warned) <= 2 * len(shares)


@pytest.mark.parametrize(
    ("expiry", "pointers"),
    [
        (NO_EXPIRY, []),
        (days(30), []),
        (days(3650, warn_days=0, last_chance_days=0), []),
        (Expiry(ExpiryPolicy.MONTHS, 120, to_month_end=True), []),
        (Expiry(ExpiryPolicy.NEVER, warn_days=30, last_chance_days=3), []),
        (days(0), ["after"]),
        (days(3651), ["after"]),
        (Expiry(ExpiryPolicy.MONTHS, 121), ["after"]),
        (Expiry(ExpiryPolicy.INACTIVITY, -1), ["after"]),
        (Expiry(ExpiryPolicy.NEVER, 10**30), ["after"]),
        (days(30, to_month_end=True, warn_days=-1), ["to_month_end", "warn_days"]),
        (Expiry(ExpiryPolicy.NEVER, warn_days=10**30), ["warn_days"]),
        (days(7), ["warn_days"]),
        (Expiry(ExpiryPolicy.MONTHS, 1, warn_days=28), ["warn_days"]),
        (days(30, last_chance_days=7), ["last_chance_days"]),
        (days(30, warn_days=0, last_chance_days=30), ["last_chance_days"]),
    ],
)
def test_every_problem_of_the_settings_is_told(expiry: Expiry, pointers: list[str]) -> None:
    assert [each.pointer for each in problems_of(expiry, "/e")] == [f"/e/{p}" for p in pointers]
    told = [each.pointer for each in validate(replace(USD, expiry=expiry))]
    assert told == [f"/expiry/{pointer}" for pointer in pointers]
