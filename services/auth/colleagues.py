"""Superadmins look after the staff: who there is, who may get in, and as what."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from contracts.admins import (
    AdminChange,
    AdminInfo,
    AdminNamed,
    AdminsPage,
    ChangeAdminRole,
    ListAdmins,
)
from contracts.caller import Audience, Caller
from contracts.paging import cursor_of, limit_problems
from domain.admins.staff import SUPERADMIN, check_superadmin_remains, role_problems
from domain.errors import InvalidRequest, NotFound
from ports.admin_log_ins import AdminStores
from ports.admins import Admin, Status
from ports.unit import Units
from services.auth.proofs import say
from services.auth.sessions import Sessions
from services.auth.signing_out import signed_out
from services.auth.vault import Vaults, shown


class Colleagues:
    def __init__(self, units: Units[AdminStores], vaults: Vaults, sessions: Sessions) -> None:
        self._units = units
        self._vaults = vaults
        self._sessions = sessions

    async def page(self, _: Caller, request: ListAdmins) -> AdminsPage:
        problems = limit_problems(request.limit)
        after = cursor_of(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        vault = await self._vaults.open()
        async with self._units() as unit:
            found = await unit.stores.admins.page(after, request.limit + 1)
        page = found[: request.limit]
        return AdminsPage(
            admins=tuple(shown(vault, admin) for admin in page),
            next_cursor=str(page[-1].admin_id) if len(found) > len(page) else None,
        )

    async def disable(self, caller: Caller, request: AdminNamed) -> AdminInfo:
        return await self._change(
            caller,
            request.admin_id,
            AdminChange.DISABLED,
            lambda admin: replace(admin, status=Status.DISABLED),
        )

    async def enable(self, caller: Caller, request: AdminNamed) -> AdminInfo:
        return await self._change(
            caller,
            request.admin_id,
            AdminChange.ENABLED,
            lambda admin: replace(admin, status=Status.ACTIVE),
        )

    async def change_role(self, caller: Caller, request: ChangeAdminRole) -> AdminInfo:
        problems = role_problems(request.role)
        if problems:
            raise InvalidRequest(problems=problems)
        return await self._change(
            caller,
            request.admin_id,
            AdminChange.ROLE,
            lambda admin: replace(admin, role=request.role),
        )

    async def _change(
        self,
        caller: Caller,
        admin_id: UUID,
        change: AdminChange,
        changed: Callable[[Admin], Admin],
    ) -> AdminInfo:
        """Store what ``changed`` makes of an admin, and end all that they had open."""
        vault = await self._vaults.open()
        async with self._units() as unit:
            unit.actor = caller.name
            # All of them, so that two who shut out each other come one after the other.
            everybody = {each.admin_id: each for each in await unit.stores.admins.lock_all()}
            before = everybody.get(admin_id)
            if before is None:
                raise NotFound("There is no such admin.")
            after = changed(before)
            if after == before:
                return shown(vault, before)
            everybody[admin_id] = after
            if _keeps_order(before):
                check_superadmin_remains(_keeps_order(each) for each in everybody.values())
            after = await signed_out(unit, after)
            await unit.stores.admins.keep(after)
            if not after.is_active:
                await unit.stores.admins.forget_devices(admin_id)
            say(unit, after, change)
        await self._sessions.revoke_of_subject(Audience.ADMIN, str(admin_id), by=caller.name)
        return shown(vault, after)


def _keeps_order(admin: Admin) -> bool:
    """Whether this is a superadmin who can log in."""
    return admin.is_active and admin.is_enrolled and admin.role == SUPERADMIN
