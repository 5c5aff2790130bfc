"""A shop's roles: the built-in ones it starts with, and those its people make."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid5

from contracts.caller import Audience, Caller
from contracts.roles import (
    ROLE_CREATED,
    ROLE_UPDATED,
    CreateRole,
    GetRole,
    ListRoles,
    Permissions,
    PermissionsOf,
    Role,
    RoleChanged,
    RoleExists,
    Roles,
    UpdateRole,
)
from domain.errors import Forbidden, InvalidRequest, NotFound, Problem
from domain.rbac import DEFAULT_ROLES, check_grant, problems_of
from ports.events import Received
from ports.roles import RoleBook, RoleRow
from ports.unit import Unit, Units

_BUILT_IN: Final = {role.name: tuple(sorted(role.grants)) for role in DEFAULT_ROLES}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,49}")
_MOST: Final = 200
_NO_ROLE: Final = "This shop has no role of that name."


class Reading:
    def __init__(self, units: Units[RoleBook]) -> None:
        self._units = units

    async def role(self, caller: Caller, request: GetRole) -> Role:
        _check_may_exist(request.name)
        async with self._units() as unit:
            found = await unit.stores.find(caller.tenant, request.name)
        if found is None:
            raise NotFound(_NO_ROLE)
        return _answer(found)

    async def roles(self, caller: Caller, _: ListRoles) -> Roles:
        async with self._units() as unit:
            found = await unit.stores.of_shop(caller.tenant)
        return Roles(roles=tuple(map(_answer, found)))

    async def permissions(self, caller: Caller, request: PermissionsOf) -> Permissions:
        """What a role may do. The built-in roles of a shop that has just installed the app are
        known before the shop is."""
        built_in = _BUILT_IN.get(request.role)
        if built_in is not None:
            return Permissions(permissions=built_in)
        return Permissions(
            permissions=(await self.role(caller, GetRole(name=request.role))).permissions
        )


async def create(unit: Unit[RoleBook], caller: Caller, request: CreateRole) -> Role:
    problems = _permission_problems(request.permissions)
    if _NAME.fullmatch(request.name) is None:
        detail = "1 to 50 lower-case letters, digits and underscores, beginning with a letter."
        problems.append(Problem("/name", detail))
    if problems:
        raise InvalidRequest(problems=problems)
    _check_may_give(caller, request.permissions)
    # Also where the event that brings the built-in ones has not come yet.
    if request.name in _BUILT_IN:
        raise RoleExists
    role = RoleRow(
        merchant_id=caller.tenant,
        role_id=unit.new_id(),
        name=request.name,
        permissions=tuple(sorted(set(request.permissions))),
        updated_at=unit.now(),
    )
    if not await unit.stores.add([role]):
        raise RoleExists
    unit.emit(ROLE_CREATED, _said(role), role.merchant_id)
    return _answer(role)


async def update(unit: Unit[RoleBook], caller: Caller, request: UpdateRole) -> Role:
    if problems := _permission_problems(request.permissions):
        raise InvalidRequest(problems=problems)
    if request.name in _BUILT_IN:
        raise Forbidden("Built-in roles stay as they are; make a role of your own.")
    _check_may_give(caller, request.permissions)
    _check_may_exist(request.name)
    known = await unit.stores.lock(caller.tenant, request.name)
    if known is None:
        raise NotFound(_NO_ROLE)
    permissions = tuple(sorted(set(request.permissions)))
    if permissions == known.permissions:
        return _answer(known)
    role = replace(known, permissions=permissions, updated_at=unit.now())
    await unit.stores.change(role)
    unit.emit(ROLE_UPDATED, _said(role), role.merchant_id)
    return _answer(role)


async def give_default_roles(unit: Unit[RoleBook], events: Sequence[Received[Any]]) -> None:
    """Give new shops the built-in roles."""
    causes = {event.merchant_id: event for event in events}
    now = unit.now()
    added = await unit.stores.add(
        RoleRow(merchant_id, _built_in_id(merchant_id, name), name, None, now)
        for merchant_id in causes
        for name in _BUILT_IN
    )
    for role in added:
        unit.emit(ROLE_CREATED, _said(role), role.merchant_id, cause=causes[role.merchant_id])


def _built_in_id(merchant_id: UUID, name: str) -> UUID:
    return uuid5(merchant_id, f"role:{name}")


def _check_may_exist(name: str) -> None:
    """Raises NotFound for what is no name at all; the storage need not cope with it."""
    if _NAME.fullmatch(name) is None:
        raise NotFound(_NO_ROLE)


def _permission_problems(permissions: Sequence[str]) -> list[Problem]:
    if len(permissions) > _MOST:
        return [Problem("/permissions", f"At most {_MOST} permissions.")]
    return problems_of(permissions)


def _check_may_give(caller: Caller, permissions: Sequence[str]) -> None:
    """Raises CannotGrant. A service speaks for the product and not for a person."""
    if caller.audience is not Audience.SERVICE:
        check_grant(frozenset(caller.permissions), permissions)


def _permissions_of(role: RoleRow) -> tuple[str, ...]:
    return _BUILT_IN.get(role.name, ()) if role.permissions is None else role.permissions


def _answer(role: RoleRow) -> Role:
    return Role(
        role_id=role.role_id,
        name=role.name,
        permissions=_permissions_of(role),
        built_in=role.permissions is None,
        updated_at=role.updated_at,
    )


def _said(role: RoleRow) -> RoleChanged:
    return RoleChanged(role_id=role.role_id, name=role.name, permissions=_permissions_of(role))
