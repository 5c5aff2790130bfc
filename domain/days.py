"""Days of a shop's calendar, which begin and end by the shop's clock."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def day_of(at: datetime, time_zone: str) -> date:
    """The day of the shop's calendar that an instant falls on."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def start_of(day: date, time_zone: str) -> datetime:
    """The first instant of a day of the shop's calendar, in UTC; also where clocks are put forward
    at midnight, and the day begins at one o'clock."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
