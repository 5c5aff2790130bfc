"""Codes of an authenticator app, from a secret that it shares with us (RFC 6238)."""

from typing import Protocol


class Totp(Protocol):
    def new_secret(self) -> str:
        """160 random bits in base32."""
        ...

    def code(self, secret: str, step: int) -> str:
        """The code of one step of 30 seconds (``domain.admins.second_factor.step_at``)."""
        ...

    def uri(self, secret: str, account: str) -> str:
        """``otpauth://totp/…``, which an authenticator reads from a QR code. Holds the secret."""
        ...
