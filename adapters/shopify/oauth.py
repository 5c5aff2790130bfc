"""``ports.shopify_access.ShopifyAccess``: Shopify's OAuth, with Shopify's own libraries.

Of ShopifyAPI comes what is pure computation there: the address of the consent page and the check
of an ``hmac``. Its exchange of a code is not used, as it drops the refresh token. Token exchange
and refresh come from shopifyapp. Neither's answers are believed further than they are checked here.
The Admin API is asked without either (``adapters.shopify.admin``).
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
from shopify.session import Session
from shopify_app import ShopifyApp
from shopify_app.types import IdTokenDetails, TokenExchangeResult

from adapters.shopify.admin.exchange import Answered, Exchange, Refused
from adapters.shopify.admin.shop import SHOP_DETAILS
from adapters.shopify.reach import Reach
from adapters.shopify.version import API_VERSION
from adapters.telemetry.tracing import client_span
from contracts.installs import ShopifyUnavailable
from ports.clock import Clock
from ports.shopify_access import Grant, GrantRefused, ShopDetails

log = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")

_WITHIN: Final = 12.0
"""Seconds for one question to Shopify, the libraries' own repeats included."""
_ONE_TRY: Final = 5.0
_PAUSES: Final = (0.3, 1.0, 0.0)
"""Seconds between the tries to ask what a shop reckons in."""
_TOKENS: Final = "/admin/oauth/access_token"
_MOST_SECONDS: Final = 400 * 24 * 3600
_REFUSALS: Final = frozenset(("invalid_grant", "invalid_subject_token", "refresh_token_expired"))


class _Answer(msgspec.Struct, frozen=True):
    """What the token endpoint says for a code; the other grants' answers come from shopifyapp."""

    access_token: str
    scope: str
    expires_in: int
    refresh_token: str
    refresh_token_expires_in: int


class ShopifyOAuth:
    def __init__(
        self,
        client_id: str,
        secret: str,
        previous_secret: str,
        reach: Reach,
        clock: Clock,
    ) -> None:
        self._client_id = client_id
        self._secret = secret
        self._reach = reach
        self._clock = clock
        self._app = ShopifyApp(client_id=client_id, client_secret=secret)
        # The library keeps the app's credentials on the class; a class of our own for each secret
        # shares none of that with anybody.
        self._sessions: list[Any] = [
            type("AppSession", (Session,), {"api_key": client_id, "secret": each})
            for each in (secret, previous_secret)
            if each
        ]
        self._exchange = Exchange(reach)

    async def close(self) -> None:
        await self._exchange.close()

    def authorize_url(
        self, shop_domain: str, scopes: Sequence[str], redirect_uri: str, state: str
    ) -> str:
        session = self._sessions[0](shop_domain, API_VERSION)
        there = urlsplit(session.create_permission_url(list(scopes), redirect_uri, state))
        return self._reach.url(shop_domain, f"{there.path}?{there.query}")

    def app_url(self, shop_domain: str) -> str:
        return self._reach.url(shop_domain, f"/admin/apps/{self._client_id}")

    def is_signed(self, parameters: Sequence[tuple[str, str]]) -> bool:
        named = dict(parameters)
        # Of two of one name the library would see the last, others the first.
        if len(named) != len(parameters) or not named.get("hmac", "").isascii():
            return False
        return any(session.validate_hmac(named) for session in self._sessions)

    async def by_code(self, shop_domain: str, code: str) -> Grant:
        asked = {
            "client_id": self._client_id,
            "client_secret": self._secret,
            "code": code,
            "expiring": 1,
        }
        return await self._bounded(self._by_code(shop_domain, asked))

    async def by_session_token(self, shop_domain: str, session_token: str) -> Grant:
        proof = IdTokenDetails(
            exchangeable=True, token=session_token, claims={"dest": f"https://{shop_domain}"}
        )
        return await self._bounded(
            self._library(
                self._app.exchange_using_token_exchange_async(
                    "offline", proof, expiring=True, http_client=self._http()
                )
            )
        )

    async def by_refresh_token(self, shop_domain: str, refresh_token: str) -> Grant:
        # Without times the library asks: whether it is time to is decided by who calls this.
        known = {
            "shop": shop_domain.partition(".")[0],
            "access_mode": "offline",
            "refresh_token": refresh_token,
            "expires": "",
            "refresh_token_expires": "",
        }
        return await self._bounded(
            self._library(
                self._app.refresh_token_exchanged_access_token_async(
                    known, http_client=self._http()
                )
            )
        )

    async def details(self, shop_domain: str, access_token: str) -> ShopDetails:
        return await self._bounded(self._details(shop_domain, access_token))

    async def _details(self, shop_domain: str, access_token: str) -> ShopDetails:
        for pause in _PAUSES:
            said = await self._exchange.ask(shop_domain, access_token, SHOP_DETAILS, {}, _ONE_TRY)
            if isinstance(said, Answered):
                shop = said.data.shop
                return ShopDetails(shop.currency_code, shop.iana_timezone)
            if isinstance(said, Refused):
                break
            await asyncio.sleep(pause)
        raise _trouble("does not say what a shop reckons in")

    def _http(self) -> httpx.AsyncClient:
        return self._exchange.http

    async def _bounded(self, asking: Awaitable[AnswerT]) -> AnswerT:
        with client_span("Shopify", {}):
            try:
                async with asyncio.timeout(_WITHIN):
                    return await asking
            except TimeoutError as error:
                raise ShopifyUnavailable from error

    async def _by_code(self, shop_domain: str, asked: dict[str, object]) -> Grant:
        try:
            said = await self._http().post(f"https://{shop_domain}{_TOKENS}", json=asked)
        except httpx.HTTPError as error:
            raise ShopifyUnavailable from error
        if said.status_code in (400, 403):
            raise GrantRefused
        if said.status_code != 200:
            raise _trouble(f"answers {said.status_code} for a code")
        try:
            answer = msgspec.json.decode(said.content, type=_Answer)
        except msgspec.MsgspecError as error:
            raise _trouble("answers something else for a code") from error
        now = self._clock.now()
        return self._checked(
            answer.access_token,
            _after(now, answer.expires_in),
            answer.refresh_token,
            _after(now, answer.refresh_token_expires_in),
            answer.scope,
        )

    async def _library(self, asking: Awaitable[TokenExchangeResult]) -> Grant:
        """What the library has got, if that is what it should be."""
        result = await self._understood(asking)
        if result.log.code in _REFUSALS:
            raise GrantRefused
        token = result.access_token
        if not result.ok or token is None:
            raise _trouble(f"gives no access ({result.log.code})")
        return self._checked(
            token.token,
            _instant(token.expires),
            token.refresh_token,
            _instant(token.refresh_token_expires),
            token.scope,
        )

    async def _understood(self, asking: Awaitable[AnswerT]) -> AnswerT:
        """The libraries do not check what they read; the texts of their errors may quote it."""
        try:
            return await asking
        except (ValueError, TypeError, AttributeError, OverflowError, httpx.HTTPError) as error:
            raise _trouble("answers something else") from error

    def _checked(
        self,
        access_token: object,
        access_expires_at: datetime | None,
        refresh_token: object,
        refresh_expires_at: datetime | None,
        scope: object,
    ) -> Grant:
        now = self._clock.now()
        if (
            not (isinstance(access_token, str) and access_token)
            or not (isinstance(refresh_token, str) and refresh_token)
            or not isinstance(scope, str)
            or access_expires_at is None
            or refresh_expires_at is None
            or min(access_expires_at, refresh_expires_at) <= now
        ):
            raise _trouble("gives a token that is not whole")
        scopes = tuple(sorted({each.strip() for each in scope.split(",") if each.strip()}))
        return Grant(access_token, access_expires_at, refresh_token, refresh_expires_at, scopes)


def _trouble(what: str) -> ShopifyUnavailable:
    log.warning("Shopify %s", what)
    return ShopifyUnavailable()


def _after(now: datetime, seconds: int) -> datetime | None:
    return now + timedelta(seconds=seconds) if 0 < seconds < _MOST_SECONDS else None


def _instant(text: str | None) -> datetime | None:
    """A time as shopifyapp writes it: UTC, with a Z."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
