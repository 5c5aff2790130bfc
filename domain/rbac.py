"""Roles and permissions: who may do what, deny by default.

A permission is ``area:action`` (``points:adjust``). Two explicit rules widen a grant, nothing else
does: ``area:*`` grants every action of that one merchant area, and ``admin:full`` grants
everything. ``admin`` takes no wildcard; its permissions belong to LoyalNest's own staff.

A role may name parents and then holds what they hold too, to a bounded depth and never in a
circle. Whoever changes roles or hands them out must hold all that they give, and all that they take
away.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
        "organization",
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
    """Nobody grants what they do not hold, nor takes it away."""

    code = "CANNOT_GRANT"
    kind = Kind.FORBIDDEN
    title = "Only permissions that you hold yourself can be given or taken away."


class LastOwner(LoyaltyError):
    code = "LAST_OWNER"
    kind = Kind.CONFLICT
    title = "A shop keeps at least one owner."


class RoleInUse(LoyaltyError):
    code = "ROLE_IN_USE"
    kind = Kind.CONFLICT
    title = "Somebody has this role, or another role inherits it."


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of grants, and the names of the roles whose grants it holds besides."""

    name: str
    grants: frozenset[str]
    inherits: frozenset[str] = frozenset()


MOST_GENERATIONS = 4
"""A role may have parents, grandparents and so on up to this many in a line above it."""

OWNER = "owner"
VIEWER = "viewer"
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
    Role(
        "manager",
        frozenset(f"{area}:*" for area in AREAS - {"organization", "plan", "roles"})
        | {"organization:read", "roles:read"},
    ),
    Role(
        "support",
        _LOOK
        | {
            "customers:birthday",
            "customers:read",
            "customers:write",
            "notifications:read",
            "points:adjust",
            "points:earn",
            "referrals:write",
        },
    ),
    Role("analyst", _LOOK | {"customers:read"}),
    Role(VIEWER, _LOOK),
    Role(
        CUSTOMER,
        frozenset(
            (
                "customers:birthday",
                "gamification:read",
                "points:earn",
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

ADMIN_ROLES = (
    Role("superadmin", frozenset((FULL,))),
    Role("analyst", frozenset(("admin:analytics",))),
    Role("support", frozenset(("admin:support",))),
    Role("points", frozenset(("admin:points",))),
)
"""What LoyalNest's own staff can be; nobody makes others, and no shop has a say in them."""


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


def effective(name: str, roles: Mapping[str, Role]) -> frozenset[str]:
    """All that the role may do: its own grants and those of every role it inherits. ``roles`` are
    the shop's by their names; one that is missing there grants nothing."""
    held = {name} | _ancestors(name, roles)
    return frozenset(grant for each in held if each in roles for grant in roles[each].grants)


def inheritance_problems(
    name: str, inherits: Sequence[str], roles: Mapping[str, Role]
) -> list[Problem]:
    """What is wrong with the parents that the role ``name``, new or known, is to have among the
    other roles of the shop."""
    problems = [
        Problem(f"/inherits/{index}", "The shop has no other role of that name.")
        for index, parent in enumerate(inherits)
        if parent == name or parent not in roles
    ]
    if problems:
        return problems
    problems = [
        Problem(f"/inherits/{index}", "This role inherits the one that is to inherit it.")
        for index, parent in enumerate(inherits)
        if name in _ancestors(parent, roles)
    ]
    if problems:
        return problems
    after = {**roles, name: Role(name, frozenset(), frozenset(inherits))}
    if any(_generations(each, after) > MOST_GENERATIONS for each in after):
        detail = f"At most {MOST_GENERATIONS} roles may inherit in a line."
        return [Problem("/inherits", detail)]
    return []


def _ancestors(name: str, roles: Mapping[str, Role]) -> set[str]:
    """Every role whose grants ``name`` holds, itself left out unless it goes in a circle."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        role = roles.get(waiting.pop())
        if role is not None:
            waiting += role.inherits - found
            found |= role.inherits
    return found


def _generations(name: str, roles: Mapping[str, Role]) -> int:
    """How many roles stand above ``name`` in the longest line, as far as it matters: one more
    than are allowed at most."""
    count, generation = 0, {name}
    while count <= MOST_GENERATIONS:
        generation = {
            parent for each in generation if each in roles for parent in roles[each].inherits
        }
        if not generation:
            break
        count += 1
    return count


def check_grant(holder: frozenset[str], grants: Iterable[str]) -> None:
    """May somebody with the grants ``holder`` give these away, or take them from others? A
    wildcard only by whoever holds the wildcard. Raises CannotGrant."""
    if not all(allows(holder, grant) for grant in grants):
        raise CannotGrant


def check_role_change(
    holder: frozenset[str], name: str, before: Mapping[str, Role], after: Mapping[str, Role]
) -> None:
    """May somebody with the grants ``holder`` make, change or remove the role ``name``, so that
    the shop's roles become ``after``? Raises CannotGrant."""
    check_grant(holder, effective(name, before) | effective(name, after))


def check_assignment(
    holder: frozenset[str], before: str | None, after: str | None, roles: Mapping[str, Role]
) -> None:
    """May somebody with the grants ``holder`` turn the role ``before`` of one of the staff into
    ``after``, where None is none? Raises CannotGrant."""
    for name in (before, after):
        if name is not None:
            check_grant(holder, effective(name, roles))


def check_unused(name: str, holders: Collection[str], roles: Mapping[str, Role]) -> None:
    """Raises RoleInUse for a role that somebody of ``holders`` has or another role inherits."""
    if holders or any(name in role.inherits for role in roles.values()):
        raise RoleInUse


def check_owner_remains(subject: str, owners: Collection[str]) -> None:
    """May ``subject`` cease to be an owner? ``owners`` are some of them, two at least where there
    are two. Raises LastOwner for the only one."""
    if set(owners) == {subject}:
        raise LastOwner
