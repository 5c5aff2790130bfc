"""When points expire: what a merchant may set, how long a lot lives, what is due in a wallet."""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from domain.errors import Problem
from domain.points.lot import FOREVER, Life, Share, spending_order

MAX_DAYS: Final = 3650
MAX_MONTHS: Final = 120
_SHORTEST_MONTH: Final = 28


class ExpiryPolicy(StrEnum):
    """NEVER: points stay. DAYS, MONTHS: a lot expires so long after its points became spendable.
    INACTIVITY: all lots of a member expire so many days after the member last earned or spent."""

    NEVER = "never"
    DAYS = "days"
    MONTHS = "months"
    INACTIVITY = "inactivity"


@dataclass(frozen=True, slots=True)
class Expiry:
    """When points expire. ``after`` counts days, under MONTHS months; ``to_month_end`` lets a lot
    under MONTHS live on to the end of its last month. A lot expires at the end of its last day, by
    the shop's clock. ``warn_days`` and ``last_chance_days`` before that the member is warned, also
    of lots that live by earlier terms; 0 is no warning."""

    policy: ExpiryPolicy = ExpiryPolicy.NEVER
    after: int = 0
    to_month_end: bool = False
    warn_days: int = 7
    last_chance_days: int = 1


NO_EXPIRY: Final = Expiry()


def problems_of(expiry: Expiry, pointer: str) -> list[Problem]:
    """Everything wrong with these settings, which are at ``pointer``; [] if fine."""
    found = []
    never, monthly = expiry.policy is ExpiryPolicy.NEVER, expiry.policy is ExpiryPolicy.MONTHS
    longest, unit = (MAX_MONTHS, "months") if monthly else (MAX_DAYS, "days")
    shortest = 0 if never else 1
    if not shortest <= expiry.after <= longest:
        found.append(Problem(f"{pointer}/after", f"must be {shortest} to {longest} {unit}"))
    if expiry.to_month_end and not monthly:
        found.append(Problem(f"{pointer}/to_month_end", "is for months only"))
    found += [
        Problem(f"{pointer}/{name}", f"must be 0 to {MAX_DAYS} days")
        for name in ("warn_days", "last_chance_days")
        if not 0 <= getattr(expiry, name) <= MAX_DAYS
    ]
    if found:
        return found
    days = expiry.after * _SHORTEST_MONTH if monthly else expiry.after
    if not never and expiry.warn_days >= days:
        found.append(Problem(f"{pointer}/warn_days", "must be fewer days than points live"))
    if expiry.last_chance_days and expiry.last_chance_days >= (expiry.warn_days or days):
        detail = "must be fewer than warn_days, and fewer days than points live"
        found.append(Problem(f"{pointer}/last_chance_days", detail))
    return found


def life_of(expiry: Expiry, opened_at: datetime, time_zone: str) -> Life:
    """How long points live that become spendable now, in a shop in this time zone."""
    match expiry.policy:
        case ExpiryPolicy.NEVER:
            return FOREVER
        case ExpiryPolicy.INACTIVITY:
            return Life(None, expiry.after)
        case ExpiryPolicy.DAYS | ExpiryPolicy.MONTHS:
            zone = ZoneInfo(time_zone)
            day = opened_at.astimezone(zone).date()
            if expiry.policy is ExpiryPolicy.DAYS:
                return Life(_end_of(day + timedelta(days=expiry.after), zone))
            return Life(_end_of(_months_on(day, expiry.after, expiry.to_month_end), zone))


def ends_at(life: Life, since: datetime, time_zone: str) -> datetime | None:
    """When what lives like this expires as things stand; None for never. ``since`` is when idle
    days began: when the member was last active, or the lot was opened if that was later, so that
    every lot has its days to itself."""
    if not life.idle_days:
        return life.expires_at
    zone = ZoneInfo(time_zone)
    return _end_of(since.astimezone(zone).date() + timedelta(days=life.idle_days), zone)


class NextExpiry(NamedTuple):
    at: datetime
    points: int


def next_expiry(ageing: Iterable[tuple[int, Life, datetime]], time_zone: str) -> NextExpiry | None:
    """The next points to expire if nothing happens, of these (points, life, since)."""
    ends: dict[datetime, int] = {}
    for points, life, since in ageing:
        end = ends_at(life, since, time_zone)
        if end is not None:
            ends[end] = ends.get(end, 0) + points
    return NextExpiry(*min(ends.items())) if ends else None


def first_look(expiry: Expiry, life: Life, opened_at: datetime, time_zone: str) -> datetime | None:
    """When a wallet must be looked at for the sake of a lot that is opened now; None for never."""
    end = ends_at(life, opened_at, time_zone)
    return None if end is None else _next_moment(expiry, end, opened_at)


class Soon(NamedTuple):
    """Points that expire at the same time, of which the member is to be warned now."""

    expires_at: datetime
    points: int
    last_chance: bool


@dataclass(frozen=True, slots=True)
class Due:
    """What is due in a wallet: the lots that have expired, whose shares are what is left of them,
    what is to be warned of, the earliest first, and when to look again, None for no need."""

    expired: tuple[Share, ...]
    warnings: tuple[Soon, ...]
    look_at: datetime | None


def due(
    shares: Iterable[Share],
    active_at: datetime | None,
    looked_at: datetime,
    now: datetime,
    expiry: Expiry,
    time_zone: str,
) -> Due:
    """What is due now in a wallet with these open lots, that was ``looked_at`` before.

    A warning is due once: at the first look at or after its moment. One whose moment passed before
    the lot was there, or that a later one has overtaken, is not.
    """
    expired: list[Share] = []
    soon: dict[tuple[datetime, bool], int] = {}
    looks: list[datetime] = []
    for share in sorted(shares, key=spending_order):
        opened_at = share.lot.opened_at
        since = opened_at if active_at is None else max(opened_at, active_at)
        end = ends_at(share.lot.life, since, time_zone)
        if end is None:
            continue
        if end <= now:
            expired.append(share)
            continue
        looks.append(_next_moment(expiry, end, now))
        passed = [
            last_chance
            for at, last_chance in _warnings(expiry, end)
            if max(looked_at, opened_at) < at <= now
        ]
        if passed:
            key = (end, any(passed))
            soon[key] = soon.get(key, 0) + share.points
    warnings = (Soon(at, points, last) for (at, last), points in sorted(soon.items()))
    return Due(tuple(expired), tuple(warnings), min(looks, default=None))


def _warnings(expiry: Expiry, end: datetime) -> list[tuple[datetime, bool]]:
    """When to warn of an end, and which is the last warning."""
    return [
        (end - timedelta(days=days), last_chance)
        for days, last_chance in ((expiry.warn_days, False), (expiry.last_chance_days, True))
        if days > 0
    ]


def _next_moment(expiry: Expiry, end: datetime, after: datetime) -> datetime:
    """The next that happens to a lot with this end: a warning, or the end."""
    return min((at for at, _ in _warnings(expiry, end) if at > after), default=end)


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day is over: the next one's first, whatever the clock does there."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    # Through UTC, which settles a midnight that the clock skips.
    return midnight.astimezone(_UTC)


def _months_on(day: date, months: int, to_month_end: bool) -> date:
    """The same day so many months on, or the last of a month that is too short."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(years, month + 1)[1]
    return date(years, month + 1, last if to_month_end else min(day.day, last))


_UTC: Final = ZoneInfo("UTC")
