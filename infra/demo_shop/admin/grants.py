"""What Shopify remembers of an app's access to shops: codes, and pairs of tokens that rotate.

As Shopify documents it: access tokens live an hour, refresh tokens 90 days; a shop has one pair at
a time, and a new one ends the one before. Refreshing makes a new pair; the refresh token that was
used can be shown again, and gets the same pair, until its replacement is used, for 30 days at most.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, Final

import jwt
import msgspec

from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.scopes import KNOWN_SCOPES, normal, scopes_in

CODE_LIFETIME: Final = timedelta(seconds=60)
ACCESS_LIFETIME: Final = timedelta(hours=1)
REFRESH_LIFETIME: Final = timedelta(days=90)
RETRY_WINDOW: Final = timedelta(days=30)
_LEEWAY: Final = 10  # seconds


class Refused(Exception):
    """What the app asks for is not given. ``error`` is OAuth's name for the reason."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class Code(msgspec.Struct):
    """What a browser carries back to the app, to be exchanged once."""

    shop: str
    scopes: tuple[str, ...]
    expires_at: datetime


class Used(msgspec.Struct):
    """A refresh token whose replacement has not been used yet."""

    token: str
    first_used_at: datetime
    expires_at: datetime


class Pair(msgspec.Struct):
    """The tokens with which the app gets at a shop now."""

    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime
    scopes: tuple[str, ...]
    before: Used | None = None


class Memory(msgspec.Struct):
    """All of it, so that it can be written down. ``withheld`` are scopes that merchants do not
    grant."""

    codes: dict[str, Code] = {}
    pairs: dict[str, Pair] = {}
    withheld: dict[str, tuple[str, ...]] = {}


def _system_time() -> datetime:
    return datetime.now(UTC)


class Grants:
    """``changed`` is called after every change of what is remembered."""

    def __init__(
        self,
        app: App,
        *,
        memory: Memory | None = None,
        changed: Callable[[Memory], None] = lambda _: None,
        now: Callable[[], datetime] = _system_time,
    ) -> None:
        self.app = app
        self.access_lifetime = ACCESS_LIFETIME
        self._memory = memory or Memory()
        self._changed = changed
        self.now = now

    # What people do in a shop's admin.

    def approve(self, shop: str, scopes: Iterable[str]) -> str:
        """The merchant says yes: a code for the app. Raises Refused for scopes that Shopify does
        not know."""
        asked = frozenset(scopes)
        if unknown := asked - KNOWN_SCOPES:
            raise Refused("invalid_scope", f"unknown scopes: {', '.join(sorted(unknown))}")
        code = token_hex(16)
        self._memory.codes[code] = Code(
            shop, self._granted(shop, asked), self.now() + CODE_LIFETIME
        )
        self._changed(self._memory)
        return code

    def withhold(self, shop: str, *scopes: str) -> None:
        """From now on the merchant does not grant these."""
        self._memory.withheld[shop] = scopes
        self._changed(self._memory)

    def uninstall(self, shop: str) -> None:
        """The merchant removes the app: nothing it holds for the shop is good any more."""
        self._memory.pairs.pop(shop, None)
        self._memory.codes = {
            code: each for code, each in self._memory.codes.items() if each.shop != shop
        }
        self._changed(self._memory)

    def expire(self, shop: str) -> None:
        """The access token of the shop is over before its time; the refresh token is not."""
        self._memory.pairs[shop].access_expires_at = self.now()
        self._changed(self._memory)

    def access_token(self, shop: str) -> str:
        """The one that the app holds now, for whoever wants to ask what it asks. Raises Refused
        where the app is not installed."""
        pair = self._memory.pairs.get(shop)
        if pair is None or pair.access_expires_at <= self.now():
            raise Refused("not_installed", "The app has no access to this shop at the moment.", 404)
        return pair.access_token

    # What the app asks for.

    def authenticate(self, client_id: object, secret: object) -> None:
        """Raises Refused for anybody but the app."""
        if client_id != self.app.client_id or secret != self.app.secret:
            raise Refused("invalid_client", "Client authentication failed.", 401)

    def by_code(self, shop: str, code: object) -> Pair:
        """A pair for a code. A code counts once, in its shop only."""
        known = self._memory.codes.pop(code, None) if isinstance(code, str) else None
        if known is None or known.shop != shop or known.expires_at <= self.now():
            raise Refused("invalid_request", "The authorization code was not found or was used.")
        return self._new_pair(shop, known.scopes)

    def by_session_token(self, shop: str, token: object) -> Pair:
        """A pair for a session token of the shop (managed installation: the scopes are those that
        the app is configured with)."""
        self._check_session_token(shop, token)
        return self._new_pair(shop, self._granted(shop, frozenset(self.app.scopes)))

    def by_refresh_token(self, shop: str, token: object) -> Pair:
        """The next pair, or the same once more while it seems not to have arrived."""
        now = self.now()
        pair = self._memory.pairs.get(shop)
        if pair is not None and pair.refresh_token == token and now < pair.refresh_expires_at:
            used = Used(pair.refresh_token, now, pair.refresh_expires_at)
            return self._new_pair(shop, pair.scopes, used)
        before = None if pair is None else pair.before
        if (
            pair is not None
            and before is not None
            and before.token == token
            and now < min(before.expires_at, before.first_used_at + RETRY_WINDOW)
        ):
            pair.access_expires_at = now + self.access_lifetime
            self._changed(self._memory)
            return pair
        raise Refused("invalid_grant", "The refresh token is invalid, expired or revoked.")

    def check(self, shop: str, access_token: str) -> frozenset[str]:
        """The scopes of an access token of this shop. Raises Refused (401) for any other."""
        pair = self._memory.pairs.get(shop)
        if (
            pair is None
            or pair.access_token != access_token
            or pair.access_expires_at <= self.now()
        ):
            raise Refused("invalid_token", "Invalid API key or access token.", 401)
        return scopes_in(pair.scopes)

    def _granted(self, shop: str, asked: frozenset[str]) -> tuple[str, ...]:
        return normal(asked - set(self._memory.withheld.get(shop, ())))

    def _new_pair(self, shop: str, scopes: tuple[str, ...], before: Used | None = None) -> Pair:
        now = self.now()
        pair = Pair(
            access_token=f"shpat_{token_hex(16)}",
            access_expires_at=now + self.access_lifetime,
            refresh_token=f"shprt_{token_hex(16)}",
            refresh_expires_at=now + REFRESH_LIFETIME,
            scopes=scopes,
            before=before,
        )
        self._memory.pairs[shop] = pair
        self._changed(self._memory)
        return pair

    def _check_session_token(self, shop: str, token: object) -> None:
        try:
            claims: dict[str, Any] = jwt.decode(
                token if isinstance(token, str) else "",
                self.app.secret,
                algorithms=["HS256"],
                audience=self.app.client_id,
                leeway=_LEEWAY,
                options={"require": ["exp", "nbf", "iss", "dest", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            raise Refused("invalid_subject_token", "The session token does not hold.") from error
        if claims["dest"] != f"https://{shop}" or claims["iss"] != f"https://{shop}/admin":
            raise Refused("invalid_subject_token", "The session token is of another shop.")
