"""From the command line: the first admin, and one who has lost what they prove themselves with."""

from dataclasses import replace

from contracts.admins import AdminChange, AdminSecrets, CreateAdmin, RecoverAdmin
from contracts.caller import Audience, Caller
from domain.admins.errors import AdminExists
from domain.admins.passwords import password_problems, prepared
from domain.admins.staff import email_problems, role_problems
from domain.errors import InvalidRequest, NotFound
from ports.admin_log_ins import AdminStores
from ports.admins import Admin, Status
from ports.passwords import Passwords
from ports.totp import Totp
from ports.unit import Unit, Units
from services.auth.challenges import Random
from services.auth.proofs import renew_recovery_codes, say
from services.auth.sessions import Sessions
from services.auth.signing_out import signed_out
from services.auth.vault import Vault, Vaults


class Rescue:
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

    async def create(self, caller: Caller, request: CreateAdmin) -> AdminSecrets:
        problems = [
            *email_problems(request.email),
            *role_problems(request.role),
            *password_problems(request.password, request.email),
        ]
        if problems:
            raise InvalidRequest(problems=problems)
        vault = await self._vaults.open()
        password_hash = await self._passwords.hashed(prepared(request.password))
        async with self._units() as unit:
            unit.actor = caller.name
            now = unit.now()
            admin = Admin(
                admin_id=unit.new_id(),
                email_index=vault.account(request.email),
                sealed_email=vault.seal_email(request.email),
                role=request.role,
                status=Status.ACTIVE,
                password_hash=password_hash,
                sealed_secret="",
                last_step=0,
                created_at=now,
                signed_out_at=now,
            )
            if not await unit.stores.admins.add(admin):
                raise AdminExists
            return await self._equip(unit, vault, admin, AdminChange.CREATED)

    async def recover(self, caller: Caller, request: RecoverAdmin) -> AdminSecrets:
        problems = (
            password_problems(request.new_password, request.email, "/new_password")
            if request.new_password
            else []
        )
        if problems:
            raise InvalidRequest(problems=problems)
        vault = await self._vaults.open()
        new_hash = (
            await self._passwords.hashed(prepared(request.new_password))
            if request.new_password
            else ""
        )
        async with self._units() as unit:
            unit.actor = caller.name
            account = vault.account(request.email)
            await unit.stores.log_ins.clear_failures(account)
            known = await unit.stores.admins.by_email(account)
            admin = known and await unit.stores.admins.lock(known.admin_id)
            if admin is None:
                raise NotFound("There is no admin with this e-mail address.")
            after = await signed_out(unit, admin)
            after = replace(after, password_hash=new_hash or admin.password_hash)
            secrets = await self._equip(unit, vault, after, AdminChange.RECOVERED)
        await self._sessions.revoke_of_subject(Audience.ADMIN, str(admin.admin_id), by=caller.name)
        return secrets

    async def _equip(
        self, unit: Unit[AdminStores], vault: Vault, admin: Admin, change: AdminChange
    ) -> AdminSecrets:
        """Give an admin a new authenticator and new recovery codes."""
        secret = self._totp.new_secret()
        sealed = vault.seal_secret(admin.admin_id, secret)
        equipped = replace(admin, sealed_secret=sealed, last_step=0)
        await unit.stores.admins.keep(equipped)
        codes = await renew_recovery_codes(unit, vault, equipped, self._random)
        say(unit, equipped, change)
        return AdminSecrets(
            admin_id=admin.admin_id,
            otpauth_uri=self._totp.uri(secret, vault.open_email(admin.sealed_email)),
            secret=secret,
            recovery_codes=codes,
        )
