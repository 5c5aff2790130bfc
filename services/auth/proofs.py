"""What proves that an admin has their second factor, used up or made anew."""

from dataclasses import replace
from typing import Final

from contracts.admins import ADMIN_CHANGED, AdminChange, AdminChanged
from contracts.caller import NO_SHOP
from domain.admins.second_factor import RECOVERY_BYTES, RECOVERY_CODES, accepted_step
from domain.codes import code_of
from ports.admin_log_ins import AdminStores
from ports.admins import Admin
from ports.totp import Totp
from ports.unit import Unit
from services.auth.challenges import Random
from services.auth.vault import Vault

_MOST_CODE: Final = 64


def with_step_used(
    totp: Totp, vault: Vault, admin: Admin, code: str, unit: Unit[AdminStores]
) -> Admin | None:
    """The admin after a code of their authenticator was used; None when it is none, or was used."""
    if not admin.sealed_secret:
        return None
    secret = vault.open_secret(admin.admin_id, admin.sealed_secret)
    step = accepted_step(
        code[:_MOST_CODE], unit.now(), admin.last_step, lambda step: totp.code(secret, step)
    )
    return None if step is None else replace(admin, last_step=step)


async def use_recovery_code(unit: Unit[AdminStores], vault: Vault, admin: Admin, code: str) -> bool:
    """Whether ``code`` was one; it is none any more."""
    kept = vault.recovery_digest(admin.admin_id, code)
    if not kept or not await unit.stores.admins.use_recovery_code(admin.admin_id, kept):
        return False
    say(unit, admin, AdminChange.RECOVERY_CODE_USED)
    return True


async def renew_recovery_codes(
    unit: Unit[AdminStores], vault: Vault, admin: Admin, random: Random
) -> tuple[str, ...]:
    """New codes in place of all old ones."""
    codes = tuple(code_of(random(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES))
    digests = [vault.recovery_digest(admin.admin_id, code) for code in codes]
    await unit.stores.admins.replace_recovery_codes(admin.admin_id, digests)
    return codes


def say(unit: Unit[AdminStores], admin: Admin, change: AdminChange) -> None:
    body = AdminChanged(admin_id=admin.admin_id, change=change, role=admin.role)
    unit.emit(ADMIN_CHANGED, body, NO_SHOP)
