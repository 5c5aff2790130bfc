"""``ports.sessions.RefreshTokens``: random texts, known by their HMAC only."""

import hmac
import secrets

from adapters.crypto.derive import derived


class HmacRefreshTokens:
    """A leaked table gives no token away, and nobody without the key can make a row for one."""

    def __init__(self, master_key: bytes) -> None:
        self._key = derived(master_key, "refresh token hash")

    def new(self) -> str:
        return secrets.token_urlsafe(32)

    def hash(self, token: str) -> bytes:
        return hmac.digest(self._key, token.encode(), "sha256")
