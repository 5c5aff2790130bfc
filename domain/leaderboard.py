"""Leaderboards: the periods points are ranked over, each with the key of its ranking."""

from datetime import datetime, tzinfo
from enum import StrEnum


class Period(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ALL = "all"


def period_key(period: Period, at: datetime, zone: tzinfo) -> str:
    """The ranking an (aware) instant belongs to, by the shop's own calendar: ``2026-01-31``,
    ``2026-W05`` (ISO 8601, weeks begin on Monday), ``2026-01`` or ``all``."""
    local = at.astimezone(zone)
    match period:
        case Period.DAY:
            return f"{local:%Y-%m-%d}"
        case Period.WEEK:
            year, week, _ = local.isocalendar()
            return f"{year}-W{week:02}"
        case Period.MONTH:
            return f"{local:%Y-%m}"
        case Period.ALL:
            return "all"


def period_keys(at: datetime, zone: tzinfo) -> dict[Period, str]:
    """The key of every period the instant belongs to."""
    return {period: period_key(period, at, zone) for period in Period}
