"""``ports.shopify_access.SessionTokens``: Shopify's tokens of browsers, checked to the last claim.

shopifyapp checks the signature, the algorithm, the audience, and the times that are there. It lets
tokens pass that lack a time or an issuer, and whose shop is none: the rest is checked here.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from shopify_app import ShopifyApp
from shopify_app.types import (
    RequestInput,
    ResultWithExchangeableIdToken,
    ResultWithNonExchangeableIdToken,
)

from contracts.installs import InvalidSessionToken
from domain.shop_domain import normalised
from ports.clock import Clock
from ports.shopify_access import CustomerProof, StaffProof

LEEWAY: Final = 10
"""Seconds by which Shopify's clock and ours may be apart."""

_LONGEST: Final = 4_096  # characters; Shopify's have about 500
_LONGEST_LIFE: Final = 600  # seconds; Shopify's live one minute or five
_NOWHERE: Final = "/"
_USER: Final = re.compile(r"[1-9][0-9]{0,19}")
_CUSTOMER: Final = re.compile(r"gid://shopify/Customer/([1-9][0-9]{0,19})")


class _Times(msgspec.Struct, frozen=True):
    """None has a default: each of them must be there, and be a number."""

    exp: int
    nbf: int
    iat: int


_Verified = ResultWithExchangeableIdToken | ResultWithNonExchangeableIdToken
ClaimsT = TypeVar("ClaimsT", bound=_Times)


class _Staff(_Times, frozen=True):
    iss: str
    dest: str
    sub: str
    jti: str
    sid: str


class _Customer(_Times, frozen=True):
    dest: str
    jti: str
    iss: str | None = None
    sub: str | None = None


class ShopifySessionTokens:
    """Tokens signed with the current client secret or the one before."""

    def __init__(self, client_id: str, secret: str, previous_secret: str, clock: Clock) -> None:
        self._app = ShopifyApp(
            client_id=client_id,
            client_secret=secret,
            old_client_secret=previous_secret or None,
        )
        self._clock = clock

    def staff(self, token: str) -> StaffProof:
        claims = self._claims(
            lambda request: self._app.verify_app_home_req(request, _NOWHERE), token, _Staff
        )
        shop = normalised(_host(claims.dest))
        if (
            not shop
            or claims.dest.lower() != f"https://{shop}"
            or claims.iss.lower() != f"https://{shop}/admin"
            or _USER.fullmatch(claims.sub) is None
            or not claims.jti
            or not claims.sid
        ):
            raise InvalidSessionToken
        return StaffProof(
            shop_domain=shop,
            user_id=claims.sub,
            token_id=claims.jti,
            issued_at=datetime.fromtimestamp(claims.iat, UTC),
            expires_at=datetime.fromtimestamp(claims.exp + LEEWAY, UTC),
        )

    def customer(self, token: str) -> CustomerProof:
        claims = self._claims(self._app.verify_checkout_ui_ext_req, token, _Customer)
        # Extensions get the shop without a scheme, and mostly no issuer.
        shop = normalised(claims.dest.removeprefix("https://"))
        if not shop or (claims.iss is not None and normalised(_host(claims.iss)) != shop):
            raise InvalidSessionToken
        if claims.sub is None:
            return CustomerProof(shop_domain=shop, customer_id="")
        # Signed with the same secret are the tokens of staff, whose subject is a bare number.
        customer = _CUSTOMER.fullmatch(claims.sub)
        if customer is None:
            raise InvalidSessionToken
        return CustomerProof(shop_domain=shop, customer_id=customer[1])

    def _claims(
        self, verify: Callable[[RequestInput], _Verified], token: str, kind: type[ClaimsT]
    ) -> ClaimsT:
        """What a token says that the library lets pass, if all of it is there and holds now."""
        if not token.isascii() or len(token) > _LONGEST:
            raise InvalidSessionToken
        headers = {"authorization": f"Bearer {token}"}
        try:
            result = verify({"method": "GET", "headers": headers, "url": _NOWHERE, "body": ""})
            claims = msgspec.convert(result.id_token and result.id_token.claims, kind)
        except (msgspec.ValidationError, ValueError, TypeError, AttributeError):
            # The library trips over claims of other types than it expects.
            raise InvalidSessionToken from None
        now = self._clock.now().timestamp()
        if (
            not result.ok
            or claims.exp + LEEWAY <= now
            or max(claims.nbf, claims.iat) - LEEWAY > now
            or claims.exp - claims.iat > _LONGEST_LIFE
        ):
            raise InvalidSessionToken
        return claims


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
