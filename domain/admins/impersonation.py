"""Acting as a shop's staff: for half an hour, with a reason that the shop can read."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.admins.errors import CannotImpersonate, ShopNotActive
from domain.errors import Problem
from domain.rbac import CUSTOMER, DEFAULT_ROLES, FULL

LASTS: Final = timedelta(minutes=30)
SHORTEST_REASON: Final = 10
LONGEST_REASON: Final = 500


class EndedBy(StrEnum):
    STAFF = "staff"  # LoyalNest's
    SHOP = "shop"
    TIME = "time"


SUBJECT_PREFIX: Final = "impersonation:"
"""A token made for an impersonation names it in place of a person: whatever is done with it leads
to the reason that was given."""


_OPEN_TO: Final[Mapping[str, frozenset[str]]] = {
    FULL: frozenset(role.name for role in DEFAULT_ROLES) - {CUSTOMER},
    "admin:support": frozenset(("support", "analyst", "viewer")),
}
"""Which of a shop's roles can be taken on with which permission. Only those that every shop has: a
role of a shop's own making could be anything."""

STAFF_NAMES: Final[Mapping[str, str]] = {
    "superadmin": "LoyalNest administration",
    "support": "LoyalNest support",
}
"""What a shop is told about who it was, by the admin's role; people's names are none of it."""
ANY_STAFF: Final = "LoyalNest staff"


def roles_open_to(permissions: frozenset[str]) -> frozenset[str]:
    """The roles of a shop that somebody with these permissions may take on."""
    return frozenset[str]().union(
        *(roles for needed, roles in _OPEN_TO.items() if needed in permissions)
    )


def check_role(permissions: frozenset[str], role: str) -> None:
    """Raises CannotImpersonate."""
    if role not in roles_open_to(permissions):
        raise CannotImpersonate


def check_shop(*, active: bool) -> None:
    """Raises ShopNotActive: there is nobody who could see it and end it."""
    if not active:
        raise ShopNotActive


def reason_problems(reason: str) -> list[Problem]:
    text = reason.strip()
    if SHORTEST_REASON <= len(text) <= LONGEST_REASON and text.isprintable():
        return []
    detail = f"One line of {SHORTEST_REASON} to {LONGEST_REASON} characters that the shop may read."
    return [Problem("/reason", detail)]


def subject(impersonation_id: UUID) -> str:
    return f"{SUBJECT_PREFIX}{impersonation_id}"


def is_impersonation(of: str) -> bool:
    """Whether this is the subject of one."""
    return of.startswith(SUBJECT_PREFIX)


def is_open(started_at: datetime, ended_at: datetime | None, now: datetime) -> bool:
    """Nothing makes it last longer: who needs more says once more why."""
    return ended_at is None and started_at <= now < started_at + LASTS
