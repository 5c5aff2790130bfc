"""The second factor of a log-in: an authenticator, set up if need be, or a recovery code."""

from dataclasses import dataclass, replace

from contracts.admins import (
    AdminChange,
    AdminLogIn,
    AnswerChallenge,
    Authenticator,
    EnrolAuthenticator,
)
from contracts.caller import Audience, Caller
from domain.admins.errors import LogInRefused, SecretShown
from domain.admins.guessing import code_buckets
from domain.admins.staff import CHALLENGE_TRIES, MOST_DEVICES, SESSION_LASTS
from ports.admin_log_ins import AdminStores, Challenge, Step
from ports.admins import Admin
from ports.sessions import Holder
from ports.totp import Totp
from ports.unit import Unit, Units
from services.auth.challenges import Random, new_token
from services.auth.guesses import Guess
from services.auth.proofs import renew_recovery_codes, say, use_recovery_code, with_step_used
from services.auth.sessions import Sessions
from services.auth.signing_out import signed_out
from services.auth.vault import Vault, Vaults, digest


@dataclass(frozen=True, slots=True)
class _Proven:
    """Both factors were right."""

    admin: Admin
    enrolled: bool
    device_token: str
    recovery_codes: tuple[str, ...]
    codes_left: int


class SecondFactor:
    def __init__(
        self,
        units: Units[AdminStores],
        vaults: Vaults,
        totp: Totp,
        sessions: Sessions,
        random: Random,
    ) -> None:
        self._units = units
        self._vaults = vaults
        self._totp = totp
        self._sessions = sessions
        self._random = random

    async def enrol(self, _: Caller, request: EnrolAuthenticator) -> Authenticator:
        """A new secret for an authenticator, shown once. It counts from its first code on."""
        vault = await self._vaults.open()
        async with self._units() as unit:
            token = digest(request.challenge)
            challenge = await unit.stores.log_ins.lock_challenge(token, unit.now())
            if challenge is None or challenge.step is not Step.ENROL:
                raise LogInRefused
            admin = await unit.stores.admins.by_id(challenge.admin_id)
            if admin is None or not _holds(challenge, admin):
                raise LogInRefused
            if challenge.sealed_secret:
                raise SecretShown
            secret = self._totp.new_secret()
            sealed = vault.seal_secret(admin.admin_id, secret)
            await unit.stores.log_ins.keep(replace(challenge, sealed_secret=sealed))
        uri = self._totp.uri(secret, vault.open_email(admin.sealed_email))
        return Authenticator(otpauth_uri=uri, secret=secret)

    async def answer(self, _: Caller, request: AnswerChallenge) -> AdminLogIn:
        vault = await self._vaults.open()
        async with self._units() as unit:
            proven = await self._prove(unit, vault, request)
        if proven is None:  # only now: what was counted has to be committed
            raise LogInRefused
        admin = proven.admin
        subject = str(admin.admin_id)
        if proven.enrolled:
            await self._sessions.revoke_of_subject(Audience.ADMIN, subject)
        holder = Holder(Audience.ADMIN, subject, role=admin.role, lifetime=SESSION_LASTS)
        session = await self._sessions.open(holder, device=request.device)
        await self._check_still(admin)
        return AdminLogIn(
            session=session,
            device_token=proven.device_token,
            recovery_codes=proven.recovery_codes,
            recovery_codes_left=proven.codes_left,
        )

    async def _check_still(self, admin: Admin) -> None:
        """Whoever shut the admin out while the session was opened may not have seen it yet: then it
        is ended here. Raises LogInRefused."""
        async with self._units() as unit:
            now = await unit.stores.admins.by_id(admin.admin_id)
        if now is None or now.signed_out_at != admin.signed_out_at:
            await self._sessions.revoke_of_subject(Audience.ADMIN, str(admin.admin_id))
            raise LogInRefused

    async def _prove(
        self, unit: Unit[AdminStores], vault: Vault, request: AnswerChallenge
    ) -> _Proven | None:
        log_ins = unit.stores.log_ins
        token = digest(request.challenge)
        challenge = await log_ins.lock_challenge(token, unit.now())
        if challenge is None:
            return None
        known = await unit.stores.admins.by_id(challenge.admin_id)
        if known is None:
            return None
        account = known.email_index
        guess = Guess(account, code_buckets(account, challenge.device))
        if not await guess.count(unit):
            return None
        admin = await unit.stores.admins.lock(challenge.admin_id)
        if admin is None or not _holds(challenge, admin):
            await log_ins.end(token)
            return None
        unit.actor = f"{Audience.ADMIN}:{admin.admin_id}"
        after = await self._code_used(unit, vault, challenge, admin, request.code)
        if after is None:
            tries = challenge.tries + 1
            if tries >= CHALLENGE_TRIES:
                await log_ins.end(token)
            else:
                await log_ins.keep(replace(challenge, tries=tries))
            return None
        await log_ins.end(token)
        await guess.excuse(unit)
        await unit.stores.admins.keep(replace(after, logged_in_at=unit.now()))
        return await self._complete(unit, vault, challenge, after)

    async def _code_used(
        self,
        unit: Unit[AdminStores],
        vault: Vault,
        challenge: Challenge,
        admin: Admin,
        code: str,
    ) -> Admin | None:
        """The admin after ``code`` was used up; None when it was not right."""
        if challenge.step is Step.ENROL:
            return await self._enrolled(unit, vault, challenge, admin, code)
        after = with_step_used(self._totp, vault, admin, code, unit)
        if after is not None:
            return after
        if await use_recovery_code(unit, vault, admin, code):
            return admin
        return None

    async def _enrolled(
        self,
        unit: Unit[AdminStores],
        vault: Vault,
        challenge: Challenge,
        admin: Admin,
        code: str,
    ) -> Admin | None:
        if not challenge.sealed_secret:
            return None  # it was not shown yet
        fresh = replace(admin, sealed_secret=challenge.sealed_secret, last_step=0)
        after = with_step_used(self._totp, vault, fresh, code, unit)
        # Another authenticator that somebody is setting up at this moment must not be the next.
        return after and await signed_out(unit, after)

    async def _complete(
        self, unit: Unit[AdminStores], vault: Vault, challenge: Challenge, admin: Admin
    ) -> _Proven:
        """What a log-in leaves behind: the device is known, and a new authenticator has codes for
        when it is lost."""
        admins = unit.stores.admins
        device_token = "" if challenge.device else new_token(self._random)
        device = bytes.fromhex(challenge.device) if challenge.device else digest(device_token)
        await admins.keep_device(admin.admin_id, device, unit.now(), MOST_DEVICES)
        codes: tuple[str, ...] = ()
        if challenge.step is Step.ENROL:
            codes = await renew_recovery_codes(unit, vault, admin, self._random)
            say(unit, admin, AdminChange.ENROLLED)
        return _Proven(
            admin=admin,
            enrolled=challenge.step is Step.ENROL,
            device_token=device_token,
            recovery_codes=codes,
            codes_left=await admins.count_recovery_codes(admin.admin_id),
        )


def _holds(challenge: Challenge, admin: Admin) -> bool:
    """Whether the first factor still counts."""
    return admin.is_active and admin.signed_out_at <= challenge.began_at
