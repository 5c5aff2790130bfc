"""Ending all that an admin has open: sessions, log-ins under way, and those in shops' names."""

from dataclasses import replace

from contracts.caller import Audience
from domain.admins.impersonation import EndedBy, subject
from ports.admin_log_ins import AdminStores
from ports.admins import Admin
from ports.unit import Unit, Units
from services.auth.impersonating import say_ended
from services.auth.sessions import Sessions


async def signed_out(unit: Unit[AdminStores], admin: Admin) -> Admin:
    """The admin as to be kept. After the transaction their sessions have to be revoked; should the
    process die before that, ``SigningOut`` does it."""
    now = unit.now()
    for ended in await unit.stores.impersonations.end_of_admin(admin.admin_id, EndedBy.STAFF, now):
        say_ended(unit, ended)
    return replace(admin, signed_out_at=now)


class SigningOut:
    """Finishes what was begun by a process that died."""

    def __init__(self, units: Units[AdminStores], sessions: Sessions) -> None:
        self._units = units
        self._sessions = sessions

    async def finish(self) -> None:
        async with self._units() as unit:
            admins = await unit.stores.admins.left_signed_in()
            impersonations = await unit.stores.impersonations.left_open(unit.now())
        for admin_id in admins:
            await self._sessions.revoke_of_subject(Audience.ADMIN, str(admin_id))
        for impersonation_id in impersonations:
            await self._sessions.revoke_of_subject(Audience.MERCHANT, subject(impersonation_id))
