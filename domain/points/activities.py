"""What members earn points by besides buying: activities that are reported, and birthdays."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import Kind, LoyaltyError, Problem
from domain.points import earning_limits
from domain.points.earning_limits import EarningLimit, Every

MAX_ACTIVITIES: Final = 100
MAX_ACTIVITY_POINTS: Final = 1_000_000
_ID: Final = re.compile(r"[a-z][a-z0-9_]*(:[a-z0-9_]+)*")
_MAX_ID: Final = 60
_MAX_NAME: Final = 100
_TAKEN: Final = frozenset({"birthday", "purchase", "referral", "signup"})
"""What members earn by without anybody reporting it."""

ONCE_A_YEAR: Final = (EarningLimit(Every.DAYS, times=1, days=365),)
"""Whatever becomes of a member's birthday, the next one is a year later."""


class UnknownActivity(LoyaltyError):
    code = "UNKNOWN_ACTIVITY"
    kind = Kind.REFUSED
    title = "The program has no activity of that id."


class ActivityDisabled(LoyaltyError):
    code = "ACTIVITY_DISABLED"
    kind = Kind.REFUSED
    title = "The program gives nothing for this activity at the moment."


class NotSelfService(LoyaltyError):
    code = "ACTIVITY_NOT_SELF_SERVICE"
    kind = Kind.REFUSED
    title = "Members do not report this activity themselves."


class ActivityNotForTier(LoyaltyError):
    code = "ACTIVITY_NOT_FOR_TIER"
    kind = Kind.REFUSED
    title = "The activity is for members of other tiers."


class ReferenceUsed(LoyaltyError):
    code = "REFERENCE_USED"
    kind = Kind.CONFLICT
    title = "What this reference names has counted for another member."


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """Points for something a member has done, each time it is reported, for members of one of these
    ``tiers`` (empty: all), within the ``limits``. ``self_service``: members may report it
    themselves; that needs a limit, because nobody checks what they say."""

    id: str
    name: str
    points: int
    enabled: bool = True
    tiers: tuple[str, ...] = ()
    limits: tuple[EarningLimit, ...] = ()
    self_service: bool = False


@dataclass(frozen=True, slots=True)
class BirthdayRule:
    """Points on a member's birthday, once in a calendar year and never twice within 365 days."""

    points: int = 200
    enabled: bool = True
    id: str = "birthday"


DEFAULT_ACTIVITIES: Final = (ActivityRule("review", "Product review", 100),)
DEFAULT_BIRTHDAY: Final = BirthdayRule()


def problems_of(
    activities: Sequence[ActivityRule], tiers: Collection[str], pointer: str
) -> list[Problem]:
    """Everything wrong with the activities of a program with these tiers."""
    found: list[Problem] = []
    if len(activities) > MAX_ACTIVITIES:
        found.append(Problem(pointer, f"at most {MAX_ACTIVITIES}"))
    seen: set[str] = set()
    for index, rule in enumerate(activities):
        at = f"{pointer}/{index}"
        if len(rule.id) > _MAX_ID or not _ID.fullmatch(rule.id):
            detail = f"small letters, digits, _ and : between them, at most {_MAX_ID}"
            found.append(Problem(f"{at}/id", detail))
        elif rule.id in _TAKEN:
            found.append(Problem(f"{at}/id", "is what members earn by without a report"))
        elif rule.id in seen:
            found.append(Problem(f"{at}/id", "another activity has this id"))
        seen.add(rule.id)
        if not 0 < len(rule.name.strip()) <= _MAX_NAME:
            found.append(Problem(f"{at}/name", f"1 to {_MAX_NAME} characters"))
        if not 1 <= rule.points <= MAX_ACTIVITY_POINTS:
            found.append(Problem(f"{at}/points", f"must be between 1 and {MAX_ACTIVITY_POINTS}"))
        found += [
            Problem(f"{at}/tiers/{number}", "the program has no such tier")
            for number, name in enumerate(rule.tiers)
            if name not in tiers
        ]
        found += earning_limits.problems_of(rule.limits, f"{at}/limits")
        if rule.self_service and not rule.limits:
            found.append(Problem(f"{at}/limits", "what members report themselves needs a limit"))
    return found
