"""What admins change of their own account, proving once more who they are."""

from dataclasses import replace
from typing import Final

from contracts.admins import (
    AdminChallenge,
    AdminChange,
    AdminInfo,
    ChangePassword,
    RecoveryCodes,
    RenewRecoveryCodes,
    ReplaceAuthenticator,
)
from contracts.caller import Audience, Caller
from domain.admins.errors import LogInRefused
from domain.admins.guessing import code_buckets, password_buckets
from domain.admins.passwords import LONGEST, password_problems, prepared
from domain.errors import Forbidden, InvalidRequest
from ports.admin_log_ins import AdminStores, Step
from ports.admins import Admin
from ports.passwords import Passwords
from ports.totp import Totp
from ports.unit import Unit, Units
from services.auth.challenges import Random, challenged
from services.auth.guesses import Guess
from services.auth.proofs import renew_recovery_codes, say, use_recovery_code, with_step_used
from services.auth.sessions import Sessions
from services.auth.signing_out import signed_out
from services.auth.vault import Vaults, shown
from services.auth.who import admin_id

_OWN: Final = "session"
"""In place of a device: whoever has a session guesses in a bucket of its own."""


class OwnAccount:
    def __init__(
        self,
        units: Units[AdminStores],
        vaults: Vaults,
        passwords: Passwords,
        totp: Totp,
        sessions: Sessions,
        random: Random,
    ) -> None:
        self._units = units
        self._vaults = vaults
        self._passwords = passwords
        self._totp = totp
        self._sessions = sessions
        self._random = random

    async def change_password(self, caller: Caller, request: ChangePassword) -> AdminInfo:
        """All sessions end: whoever had got hold of one is out, too."""
        vault = await self._vaults.open()
        async with self._units() as unit:
            admin = await _self(unit, caller)
        email = vault.open_email(admin.sealed_email)
        problems = password_problems(request.new_password, email, "/new_password")
        if problems:
            raise InvalidRequest(problems=problems)
        guess = await self._check_password(admin, request.current_password)
        password_hash = await self._passwords.hashed(prepared(request.new_password))
        async with self._units() as unit:
            unit.actor = caller.name
            await guess.excuse(unit)
            now = await signed_out(unit, await _locked_unchanged(unit, admin))
            after = replace(now, password_hash=password_hash)
            await unit.stores.admins.keep(after)
            say(unit, after, AdminChange.PASSWORD)
        await self._sessions.revoke_of_subject(Audience.ADMIN, str(admin.admin_id), by=caller.name)
        return shown(vault, after)

    async def renew_recovery_codes(
        self, caller: Caller, request: RenewRecoveryCodes
    ) -> RecoveryCodes:
        """Not with a recovery code: who has found one on paper should not get ten."""
        vault = await self._vaults.open()
        codes: tuple[str, ...] = ()
        async with self._units() as unit:
            unit.actor = caller.name
            known = await _self(unit, caller)
            guess = Guess(known.email_index, code_buckets(known.email_index, _OWN))
            if await guess.count(unit):
                admin = await _locked_unchanged(unit, known)
                after = with_step_used(self._totp, vault, admin, request.code, unit)
                if after is not None:
                    await guess.excuse(unit)
                    await unit.stores.admins.keep(after)
                    codes = await renew_recovery_codes(unit, vault, after, self._random)
                    say(unit, after, AdminChange.RECOVERY_CODES)
        if not codes:
            raise LogInRefused
        return RecoveryCodes(codes=codes)

    async def replace_authenticator(
        self, caller: Caller, request: ReplaceAuthenticator
    ) -> AdminChallenge:
        """A challenge with which to set up another one; until then the old one holds."""
        vault = await self._vaults.open()
        async with self._units() as unit:
            known = await _self(unit, caller)
        password = await self._check_password(known, request.password)
        challenge = None
        async with self._units() as unit:
            unit.actor = caller.name
            guess = Guess(known.email_index, code_buckets(known.email_index, _OWN))
            if await guess.count(unit):
                admin = await _locked_unchanged(unit, known)
                after = with_step_used(self._totp, vault, admin, request.code, unit)
                if after is None and await use_recovery_code(unit, vault, admin, request.code):
                    after = admin
                if after is not None:
                    await guess.excuse(unit)
                    await password.excuse(unit)
                    await unit.stores.admins.keep(after)
                    challenge = await challenged(unit, after, Step.ENROL, "", self._random)
        if challenge is None:
            raise LogInRefused
        return challenge

    async def _check_password(self, admin: Admin, given: str) -> Guess:
        """The guess, right and still counted as a failure. Raises LogInRefused."""
        guess = Guess(admin.email_index, password_buckets(admin.email_index, "", _OWN))
        async with self._units() as unit:
            may = await guess.count(unit)
        stored = admin.password_hash if may else None
        password = prepared(given)[: LONGEST + 1]
        if not await self._passwords.matches(stored, password, known=True):
            raise LogInRefused
        return guess


async def _self(unit: Unit[AdminStores], caller: Caller) -> Admin:
    """The admin who asks. Raises Forbidden for everybody who is none."""
    admin = await unit.stores.admins.by_id(admin_id(caller))
    if admin is None or not admin.is_active:
        raise Forbidden
    return admin


async def _locked_unchanged(unit: Unit[AdminStores], known: Admin) -> Admin:
    """Raises LogInRefused when something that counts has changed since ``known`` was read."""
    now = await unit.stores.admins.lock(known.admin_id)
    if now is None or not now.is_active or now.signed_out_at != known.signed_out_at:
        raise LogInRefused
    return now
