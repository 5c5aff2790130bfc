"""Badges and leaderboards."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.badges import FIRST_ORDER, due_badges
from domain.leaderboard import Period, period_key, period_keys


def test_the_first_order_earns_its_badge_once():
    assert due_badges(0, ()) == ()
    assert due_badges(1, ()) == (FIRST_ORDER,)
    assert due_badges(7, ()) == (FIRST_ORDER,)
    assert due_badges(2, ["first_order"]) == ()


@pytest.mark.parametrize(
    ("zone", "day", "week", "month"),
    [
        ("UTC", "2027-01-01", "2026-W53", "2027-01"),
        ("America/New_York", "2026-12-31", "2026-W53", "2026-12"),
    ],
)
def test_periods_follow_the_shops_calendar(zone, day, week, month):
    at = datetime(2027, 1, 1, 3, tzinfo=UTC)
    assert period_keys(at, ZoneInfo(zone)) == {
        Period.DAY: day,
        Period.WEEK: week,
        Period.MONTH: month,
        Period.ALL: "all",
    }


def test_a_week_begins_on_monday():
    sunday = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    assert period_key(Period.WEEK, sunday, UTC) == "2026-W47"
    assert period_key(Period.WEEK, monday, UTC) == "2026-W48"
