"""A shop's roles: the built-in ones it starts with, and those its people make."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid5

from contracts.caller import Audience, Caller
from contracts.roles import (
    ROLE_CREATED,
    ROLE_DELETED,
    ROLE_UPDATED,
    CreateRole,
    DeleteRole,
    GetRole,
    GetVersions,
    ListRoles,
    Permissions,
    PermissionsOf,
    Role,
    RoleChanged,
    RoleExists,
    RoleGone,
    RoleLimit,
    RoleRemoved,
    Roles,
    UpdateRole,
    Versions,
)
from domain import rbac
from domain.errors import Forbidden, InvalidRequest, NotFound, Problem
from ports.events import Received
from ports.roles import RoleBook, RoleRow
from ports.tenancy import within
from ports.unit import Unit, Units

BUILT_IN: Final = {role.name: role for role in rbac.DEFAULT_ROLES}
NO_ROLE: Final = "This shop has no role of that name."
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,49}")
_MOST_PERMISSIONS: Final = 200
_MOST_PARENTS: Final = 20
MOST_ROLES: Final = 50
"""Roles of a shop's own, beside the built-in ones."""


class Reading:
    def __init__(self, units: Units[RoleBook]) -> None:
        self._units = units

    async def role(self, caller: Caller, request: GetRole) -> Role:
        async with self._units() as unit:
            rows = await unit.stores.of_shop(caller.tenant)
        return _answer(_row(rows, request.name), known_roles(rows))

    async def roles(self, caller: Caller, _: ListRoles) -> Roles:
        async with self._units() as unit:
            rows = await unit.stores.of_shop(caller.tenant)
        roles = known_roles(rows)
        return Roles(roles=tuple(_answer(row, roles) for row in rows))

    async def permissions(self, caller: Caller, request: PermissionsOf) -> Permissions:
        """What a role may do. The built-in roles of a shop that has just installed the app are
        known before the shop is."""
        async with self._units() as unit:
            version = await version_of(unit.stores, caller.tenant)
            roles = known_roles(await unit.stores.of_shop(caller.tenant))
        if request.role not in roles:
            raise NotFound(NO_ROLE)
        return Permissions(permissions=permissions_of(request.role, roles), version=version)

    async def versions(self, _: Caller, request: GetVersions) -> Versions:
        # Asked for no shop of its own: whose versions they are stands in the request.
        with within(request.merchant_ids):
            async with self._units() as unit:
                known = await unit.stores.versions(request.merchant_ids)
        return Versions(versions=tuple(known.get(each, 0) for each in request.merchant_ids))


async def create(unit: Unit[RoleBook], caller: Caller, request: CreateRole) -> Role:
    problems = _problems(request.permissions, request.inherits)
    if _NAME.fullmatch(request.name) is None:
        detail = "1 to 50 lower-case letters, digits and underscores, beginning with a letter."
        problems.append(Problem("/name", detail))
    if problems:
        raise InvalidRequest(problems=problems)
    await unit.stores.begin_change(caller.tenant)
    rows = await unit.stores.of_shop(caller.tenant)
    before = known_roles(rows)
    role = RoleRow(
        merchant_id=caller.tenant,
        role_id=unit.new_id(),
        name=request.name,
        permissions=_sorted(request.permissions),
        inherits=_sorted(request.inherits),
        updated_at=unit.now(),
    )
    after = _checked(role, request.inherits, before, caller)
    if role.name in before:
        raise RoleExists
    if sum(row.permissions is not None for row in rows) >= MOST_ROLES:
        raise RoleLimit
    await unit.stores.add([role])
    unit.emit(ROLE_CREATED, _said(role), role.merchant_id)
    return _answer(role, after)


async def update(unit: Unit[RoleBook], caller: Caller, request: UpdateRole) -> Role:
    if problems := _problems(request.permissions, request.inherits or ()):
        raise InvalidRequest(problems=problems)
    _check_not_built_in(request.name)
    await unit.stores.begin_change(caller.tenant)
    rows = await unit.stores.of_shop(caller.tenant)
    known = _row(rows, request.name)
    before = known_roles(rows)
    parents = known.inherits if request.inherits is None else request.inherits
    role = replace(known, permissions=_sorted(request.permissions), inherits=_sorted(parents))
    after = _checked(role, parents, before, caller)
    if role == known:
        return _answer(known, before)
    role = replace(role, updated_at=unit.now())
    await unit.stores.change(role)
    unit.emit(ROLE_UPDATED, _said(role), role.merchant_id)
    return _answer(role, after)


async def delete(unit: Unit[RoleBook], caller: Caller, request: DeleteRole) -> RoleGone:
    _check_not_built_in(request.name)
    await unit.stores.begin_change(caller.tenant)
    rows = await unit.stores.of_shop(caller.tenant)
    role = _row(rows, request.name)
    before = known_roles(rows)
    after = {name: each for name, each in before.items() if name != role.name}
    rbac.check_role_change(held_by(caller), role.name, before, after)
    holders = await unit.stores.holders(role.merchant_id, role.name, 1)
    rbac.check_unused(role.name, holders, after)
    await unit.stores.remove(role)
    unit.emit(ROLE_DELETED, RoleRemoved(role_id=role.role_id, name=role.name), role.merchant_id)
    return RoleGone(role_id=role.role_id, name=role.name)


async def give_default_roles(unit: Unit[RoleBook], events: Sequence[Received[Any]]) -> None:
    """Give new shops the built-in roles."""
    causes = {event.merchant_id: event for event in events}
    now = unit.now()
    added = await unit.stores.add(
        RoleRow(merchant_id, _built_in_id(merchant_id, name), name, None, (), now)
        for merchant_id in causes
        for name in BUILT_IN
    )
    for role in added:
        unit.emit(ROLE_CREATED, _said(role), role.merchant_id, cause=causes[role.merchant_id])


def known_roles(rows: Iterable[RoleRow]) -> dict[str, rbac.Role]:
    """The roles of a shop by name: the built-in ones, which hold also where the event that brings
    their rows has not come yet, and its own."""
    return BUILT_IN | {
        row.name: rbac.Role(row.name, frozenset(row.permissions), frozenset(row.inherits))
        for row in rows
        if row.permissions is not None
    }


def permissions_of(name: str, roles: dict[str, rbac.Role]) -> tuple[str, ...]:
    """All that the role may do, sorted."""
    return tuple(sorted(rbac.effective(name, roles)))


async def version_of(stores: RoleBook, merchant_id: UUID) -> int:
    return (await stores.versions([merchant_id])).get(merchant_id, 0)


def held_by(caller: Caller) -> frozenset[str]:
    """What a caller may give and take. A service speaks for the product and not for a person."""
    full = caller.audience is Audience.SERVICE
    return frozenset((rbac.FULL,)) if full else frozenset(caller.permissions)


def _checked(
    role: RoleRow, parents: Sequence[str], before: dict[str, rbac.Role], caller: Caller
) -> dict[str, rbac.Role]:
    """The shop's roles with ``role`` among them. Raises InvalidRequest for parents that it cannot
    have (``parents`` are as they were asked for), CannotGrant for what the caller may not give."""
    if problems := rbac.inheritance_problems(role.name, parents, before):
        raise InvalidRequest(problems=problems)
    after = before | known_roles([role])
    rbac.check_role_change(held_by(caller), role.name, before, after)
    return after


def _row(rows: Iterable[RoleRow], name: str) -> RoleRow:
    for row in rows:
        if row.name == name:
            return row
    raise NotFound(NO_ROLE)


def _check_not_built_in(name: str) -> None:
    if name in BUILT_IN:
        raise Forbidden("Built-in roles stay as they are; make a role of your own.")


def _built_in_id(merchant_id: UUID, name: str) -> UUID:
    return uuid5(merchant_id, f"role:{name}")


def _problems(permissions: Sequence[str], inherits: Sequence[str]) -> list[Problem]:
    problems = []
    if len(permissions) > _MOST_PERMISSIONS:
        problems.append(Problem("/permissions", f"At most {_MOST_PERMISSIONS} permissions."))
    else:
        problems += rbac.problems_of(permissions)
    if len(inherits) > _MOST_PARENTS:
        problems.append(Problem("/inherits", f"At most {_MOST_PARENTS} roles."))
    return problems


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _own(role: RoleRow) -> tuple[str, ...]:
    if role.permissions is not None:
        return role.permissions
    return _sorted(BUILT_IN[role.name].grants) if role.name in BUILT_IN else ()


def _answer(role: RoleRow, roles: dict[str, rbac.Role]) -> Role:
    return Role(
        role_id=role.role_id,
        name=role.name,
        permissions=_own(role),
        built_in=role.permissions is None,
        updated_at=role.updated_at,
        inherits=role.inherits,
        effective=permissions_of(role.name, roles),
    )


def _said(role: RoleRow) -> RoleChanged:
    return RoleChanged(
        role_id=role.role_id, name=role.name, permissions=_own(role), inherits=role.inherits
    )
