"""Roles and permissions: who may do what, deny by default.

A permission is ``area:action`` (``points:adjust``). Two explicit rules widen a grant, nothing else
does: ``area:*`` grants every action of that one merchant area, and ``admin:full`` grants
everything. ``admin`` takes no wildcard; its permissions belong to LoyalNest's own staff.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.errors import Kind, LoyaltyError, Problem

AREAS = frozenset(
    (
        "analytics",
        "audit",
        "campaigns",
        "customers",
        "events",
        "gamification",
        "imports",
        "integrations",
        "notifications",
        "plan",
        "points",
        "privacy",
        "products",
        "referrals",
        "rewards",
        "rfm",
        "roles",
        "settings",
        "tasks",
    )
)
"""What a merchant's roles can be about."""

FULL = "admin:full"
ADMIN = frozenset((FULL, "admin:analytics", "admin:support", "admin:points"))

_ACTION = re.compile(r"[a-z]+(_[a-z]+)*")


class CannotGrant(LoyaltyError):
    """Nobody grants what they do not hold."""

    code = "CANNOT_GRANT"
    kind = Kind.FORBIDDEN
    title = "A role can only be given permissions that you hold yourself."


class LastOwner(LoyaltyError):
    code = "LAST_OWNER"
    kind = Kind.CONFLICT
    title = "A shop keeps at least one owner."


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of grants."""

    name: str
    grants: frozenset[str]


OWNER = "owner"
CUSTOMER = "customer"

_LOOK = frozenset(
    f"{area}:read"
    for area in (
        "analytics",
        "campaigns",
        "gamification",
        "points",
        "products",
        "referrals",
        "rewards",
        "rfm",
        "settings",
    )
)

DEFAULT_ROLES = (
    Role(OWNER, frozenset(f"{area}:*" for area in AREAS)),
    Role("manager", frozenset(f"{area}:*" for area in AREAS - {"roles", "plan"}) | {"roles:read"}),
    Role(
        "support",
        _LOOK
        | {
            "customers:read",
            "customers:write",
            "notifications:read",
            "points:adjust",
            "referrals:write",
        },
    ),
    Role("analyst", _LOOK | {"customers:read"}),
    Role("viewer", _LOOK),
    Role(
        CUSTOMER,
        frozenset(
            (
                "gamification:read",
                "points:read",
                "privacy:request",
                "referrals:claim",
                "referrals:read",
                "referrals:write",
                "rewards:read",
                "rewards:redeem",
            )
        ),
    ),
)
"""What every merchant starts with. ``customer`` is the role of a member's own token, which reaches
that member's account only."""


def is_permission(text: str) -> bool:
    """Whether ``text`` names one thing that can be needed: a known area and an action."""
    if text in ADMIN:
        return True
    area, colon, action = text.partition(":")
    return bool(colon) and area in AREAS and _ACTION.fullmatch(action) is not None


def is_grant(text: str) -> bool:
    """Whether a role may hold ``text``: a permission, or all of one merchant area."""
    return is_permission(text) or (text.endswith(":*") and text[:-2] in AREAS)


def allows(granted: frozenset[str], needed: str) -> bool:
    """Whether the grants cover the needed permission (or the needed wildcard)."""
    if needed in granted or FULL in granted:
        return True
    area = needed.partition(":")[0]
    return area in AREAS and f"{area}:*" in granted


def problems_of(grants: Iterable[str]) -> list[Problem]:
    """Every grant that is none, with its place in the list."""
    return [
        Problem(f"/permissions/{index}", "is not a permission")
        for index, grant in enumerate(grants)
        if not is_grant(grant)
    ]


def check_grant(holder: frozenset[str], grants: Iterable[str]) -> None:
    """May somebody with the grants ``holder`` give these away? A wildcard only by whoever holds
    the wildcard. Raises CannotGrant."""
    if not all(allows(holder, grant) for grant in grants):
        raise CannotGrant


def check_owner_remains(roles_after: Mapping[object, str]) -> None:
    """``roles_after`` is each staff member's role as it would be after a change of roles or a
    removal. Raises LastOwner when nobody would be left to own the shop."""
    if OWNER not in roles_after.values():
        raise LastOwner
