"""What is known of admins, sealed: their addresses, their authenticators, their recovery codes.

Everything is under one data key of LoyalNest itself, made once and wrapped under the master key as
those of shops are, so that a new master key means wrapping one key anew and nothing else.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from contracts.admins import AdminInfo
from contracts.caller import NO_SHOP
from domain.admins.second_factor import RECOVERY_BYTES
from domain.codes import read_code
from ports.admin_log_ins import AdminStores
from ports.admins import Admin
from ports.sealing import KeyMaker, MerchantKey, Sealer
from ports.unit import Units

_EMAIL: Final = "admin email"


def digest(token: str) -> bytes:
    """What is kept of a token of 256 random bits: enough to know it again, not to make it."""
    return sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class Vault:
    sealer: Sealer
    key: MerchantKey

    def account(self, email: str) -> str:
        """What an address is found by; the same for every way to write it."""
        return self.sealer.blind_index(self.key, email)

    def seal_email(self, email: str) -> str:
        return self.sealer.seal(self.key, email.strip().encode(), _EMAIL)

    def open_email(self, sealed: str) -> str:
        return self.sealer.open(self.key, sealed, _EMAIL).decode()

    def seal_secret(self, admin_id: UUID, secret: str) -> str:
        # Bound to the admin: the secret of one, copied into the row of another, does not open.
        return self.sealer.seal(self.key, secret.encode(), _secret_of(admin_id))

    def open_secret(self, admin_id: UUID, sealed: str) -> str:
        return self.sealer.open(self.key, sealed, _secret_of(admin_id)).decode()

    def recovery_digest(self, admin_id: UUID, code: str) -> str:
        """Of a recovery code however it is written; empty for what is none. Keyed, because the
        codes are short enough to be tried by whoever has the table."""
        letters = read_code(code, RECOVERY_BYTES)
        return self.sealer.blind_index(self.key, f"{admin_id} {letters}") if letters else ""


def _secret_of(admin_id: UUID) -> str:
    return f"admin authenticator {admin_id}"


def shown(vault: Vault, admin: Admin) -> AdminInfo:
    """An admin as those see them who look after the staff, and the admin."""
    return AdminInfo(
        admin_id=admin.admin_id,
        email=vault.open_email(admin.sealed_email),
        role=admin.role,
        status=admin.status,
        enrolled=admin.is_enrolled,
        created_at=admin.created_at,
        logged_in_at=admin.logged_in_at,
    )


class Vaults:
    """Opens the vault; the key is read once."""

    def __init__(self, units: Units[AdminStores], keys: KeyMaker, sealer: Sealer) -> None:
        self._units = units
        self._keys = keys
        self._sealer = sealer
        self._open: Vault | None = None

    async def open(self) -> Vault:
        if self._open is None:
            # Made before the transaction, because that may have to ask elsewhere; and in vain, if
            # there is one.
            new = await self._keys.new_data_key(NO_SHOP)
            async with self._units() as unit:
                wrapped = await unit.stores.admins.data_key(new.wrapped)
            self._open = Vault(self._sealer, await self._keys.unwrap(NO_SHOP, wrapped))
        return self._open
