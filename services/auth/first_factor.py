"""The first factor of an admin's log-in: e-mail address and password."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from contracts.admins import AdminChallenge, LogInAdmin
from contracts.caller import NO_SHOP, Caller
from domain.admins.errors import LogInRefused
from domain.admins.guessing import password_buckets
from domain.admins.passwords import LONGEST, prepared
from domain.admins.staff import DEVICE_LASTS
from ports.admin_log_ins import AdminStores
from ports.admins import Admin
from ports.passwords import Passwords
from ports.unit import Unit, Units
from services.auth.challenges import Random, challenged, step_of
from services.auth.guesses import Guess
from services.auth.vault import Vaults, digest

_NOBODY: Final = NO_SHOP
"""The id of no admin."""


class FirstFactor:
    def __init__(
        self, units: Units[AdminStores], vaults: Vaults, passwords: Passwords, random: Random
    ) -> None:
        self._units = units
        self._vaults = vaults
        self._passwords = passwords
        self._random = random

    async def log_in(self, caller: Caller, request: LogInAdmin) -> AdminChallenge:
        """Nobody learns from the answer, or from the time it takes, whether there is such an
        account, whether it is disabled, or whether it has been tried too often: the same is asked
        and a password is hashed in each case."""
        account = (await self._vaults.open()).account(request.email)
        async with self._units() as unit:
            admin = await unit.stores.admins.by_email(account)
            device = await known_device(
                unit, _NOBODY if admin is None else admin.admin_id, request.device_token
            )
            guess = Guess(account, password_buckets(account, caller.source, device))
            may = await guess.count(unit)
        stored = admin.password_hash if admin is not None and admin.is_active and may else None
        password = prepared(request.password)[: LONGEST + 1]
        right = await self._passwords.matches(stored, password, known=bool(device))
        if admin is None or not right:
            raise LogInRefused
        outdated = self._passwords.is_outdated(admin.password_hash)
        renewed = await self._passwords.hashed(password) if outdated else admin.password_hash
        async with self._units() as unit:
            await guess.excuse(unit)
            now = await unit.stores.admins.lock(admin.admin_id)
            if now is None or not _is_unchanged(admin, now):
                raise LogInRefused
            if renewed != now.password_hash:
                await unit.stores.admins.keep(replace(now, password_hash=renewed))
            return await challenged(unit, now, step_of(now), device, self._random)


async def known_device(unit: Unit[AdminStores], admin_id: UUID, token: str) -> str:
    """The device that ``token`` stands for, in hex; empty unless the admin knows it."""
    if not token:
        return ""
    known = digest(token)
    since = unit.now() - DEVICE_LASTS
    found = await unit.stores.admins.knows_device(admin_id, known, since)
    return known.hex() if found else ""


def _is_unchanged(before: Admin, now: Admin) -> bool:
    """Whether what was checked, while nobody held it, is still so."""
    return (now.status, now.password_hash, now.signed_out_at) == (
        before.status,
        before.password_hash,
        before.signed_out_at,
    )
