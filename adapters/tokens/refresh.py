"""``ports.sessions.RefreshTokens``: 256 bits each, known by their HMAC only."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Final

from adapters.crypto.derive import derived

_SALT_BYTES: Final = 16


class HmacRefreshTokens:
    """A leaked table gives no token away, and nobody without the key can make a row for one.

    ``secret`` has 32 bytes. With another one, no token that was given out before holds.
    """

    def __init__(self, secret: bytes) -> None:
        self._hash_key = derived(secret, "refresh token hash")
        self._successor_key = derived(secret, "refresh token successor")

    def new(self) -> str:
        return secrets.token_urlsafe(32)

    def salt(self) -> bytes:
        return secrets.token_bytes(_SALT_BYTES)

    def successor(self, token: str, salt: bytes) -> str:
        # The salt has one length, so no two pairs of salt and token read alike.
        made = hmac.digest(self._successor_key, salt + token.encode(), "sha256")
        return urlsafe_b64encode(made).rstrip(b"=").decode("ascii")

    def hash(self, token: str) -> bytes:
        return hmac.digest(self._hash_key, token.encode(), "sha256")
