"""Who of a shop's staff has which role. The first to log in owns the shop; it always has an owner
after that."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Final

from contracts.caller import Caller
from contracts.paging import BAD_CURSOR, limit_problems
from contracts.roles import (
    ROLE_ASSIGNED,
    ROLE_UNASSIGNED,
    AdmitStaff,
    Assigned,
    Assignment,
    Assignments,
    AssignRole,
    GetAssignment,
    ListAssignments,
    RemoveAssignment,
    RoleAssigned,
    RoleUnassigned,
)
from domain.errors import InvalidRequest, NotFound, Problem
from domain.rbac import CUSTOMER, OWNER, VIEWER, check_assignment, check_owner_remains
from ports.roles import AssignmentRow, RoleBook
from ports.unit import Unit, Units
from services.roles.book import NO_ROLE, held_by, known_roles, permissions_of, version_of

_SUBJECT: Final = re.compile(r"[A-Za-z0-9:._-]{1,200}")
_BAD_SUBJECT: Final = Problem("/subject", "1 to 200 letters, digits, colons, dots, _ and -.")


class Staff:
    def __init__(self, units: Units[RoleBook]) -> None:
        self._units = units

    async def assigned(self, caller: Caller, request: GetAssignment) -> Assigned:
        async with self._units() as unit:
            return await _assigned(unit, caller, request.subject)

    async def admit(self, caller: Caller, request: AdmitStaff) -> Assigned:
        if problems := _subject_problems(request.subject):
            raise InvalidRequest(problems=problems)
        known = await self.assigned(caller, GetAssignment(subject=request.subject))
        if known.role:
            return known
        async with self._units() as unit:
            unit.actor = caller.name
            stores = unit.stores
            await stores.begin_change(caller.tenant)
            # Two may log in at once: whoever waited finds what the other has left.
            if await stores.assignment(caller.tenant, request.subject) is None:
                owned = await stores.holders(caller.tenant, OWNER, 1)
                role = VIEWER if owned else OWNER
                await _give(unit, caller, request.subject, role, before="")
            return await _assigned(unit, caller, request.subject)

    async def page(self, caller: Caller, request: ListAssignments) -> Assignments:
        problems = limit_problems(request.limit)
        after = "" if request.cursor is None else _subject_of(request.cursor)
        if after is None:
            problems.append(BAD_CURSOR)
            after = ""
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.assignments(caller.tenant, after, request.limit + 1)
        page = found[: request.limit]
        more = len(found) > len(page)
        return Assignments(
            assignments=tuple(map(_answer, page)),
            next_cursor=urlsafe_b64encode(page[-1].subject.encode()).decode() if more else None,
        )


async def assign(unit: Unit[RoleBook], caller: Caller, request: AssignRole) -> Assignment:
    problems = _subject_problems(request.subject)
    if request.role == CUSTOMER:
        problems.append(Problem("/role", "This is the role of members, not of staff."))
    if problems:
        raise InvalidRequest(problems=problems)
    stores, tenant = unit.stores, caller.tenant
    await stores.begin_change(tenant)
    roles = known_roles(await stores.of_shop(tenant))
    if request.role not in roles:
        raise InvalidRequest(problems=[Problem("/role", NO_ROLE)])
    known = await stores.assignment(tenant, request.subject)
    before = "" if known is None else known.role
    check_assignment(held_by(caller), before or None, request.role, roles)
    if known is not None and known.role == request.role:
        return _answer(known)
    if before == OWNER:
        check_owner_remains(request.subject, await stores.holders(tenant, OWNER, 2))
    return _answer(await _give(unit, caller, request.subject, request.role, before))


async def remove(unit: Unit[RoleBook], caller: Caller, request: RemoveAssignment) -> Assignment:
    stores, tenant = unit.stores, caller.tenant
    known = None
    if not _subject_problems(request.subject):
        await stores.begin_change(tenant)
        known = await stores.assignment(tenant, request.subject)
    if known is None or not known.role:
        raise NotFound("Nobody of that name has a role in this shop.")
    roles = known_roles(await stores.of_shop(tenant))
    check_assignment(held_by(caller), known.role, None, roles)
    if known.role == OWNER:
        check_owner_remains(known.subject, await stores.holders(tenant, OWNER, 2))
    await stores.assign(replace(known, role="", updated_at=unit.now()))
    unit.emit(ROLE_UNASSIGNED, RoleUnassigned(subject=known.subject, role=known.role), tenant)
    return _answer(known)


async def _assigned(unit: Unit[RoleBook], caller: Caller, subject: str) -> Assigned:
    version = await version_of(unit.stores, caller.tenant)
    known = None
    if not _subject_problems(subject):
        known = await unit.stores.assignment(caller.tenant, subject)
    if known is None:
        return Assigned(role="", permissions=(), version=version)
    roles = known_roles(await unit.stores.of_shop(caller.tenant))
    return Assigned(role=known.role, permissions=permissions_of(known.role, roles), version=version)


async def _give(
    unit: Unit[RoleBook], caller: Caller, subject: str, role: str, before: str
) -> AssignmentRow:
    row = AssignmentRow(caller.tenant, subject, role, unit.now())
    await unit.stores.assign(row)
    said = RoleAssigned(subject=subject, role=role, before=before)
    unit.emit(ROLE_ASSIGNED, said, caller.tenant)
    return row


def _subject_problems(subject: str) -> list[Problem]:
    return [] if _SUBJECT.fullmatch(subject) else [_BAD_SUBJECT]


def _subject_of(cursor: str) -> str | None:
    """The subject at which the page before ended; None for what is no cursor."""
    try:
        subject = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")
    except ValueError:
        return None
    return None if _subject_problems(subject) else subject


def _answer(row: AssignmentRow) -> Assignment:
    return Assignment(subject=row.subject, role=row.role, updated_at=row.updated_at)
