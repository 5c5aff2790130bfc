"""``ports.totp.Totp`` with pyotp: SHA-1, six digits, 30 seconds, as every authenticator has it."""

from typing import Final

import pyotp

from domain.admins.second_factor import DIGITS, STEP

_ISSUER: Final = "LoyalNest"


class PyotpTotp:
    def new_secret(self) -> str:
        return pyotp.random_base32()

    def code(self, secret: str, step: int) -> str:
        return _totp(secret).generate_otp(step)

    def uri(self, secret: str, account: str) -> str:
        return _totp(secret).provisioning_uri(name=account, issuer_name=_ISSUER)


def _totp(secret: str) -> pyotp.TOTP:
    return pyotp.TOTP(secret, digits=DIGITS, interval=int(STEP.total_seconds()))
