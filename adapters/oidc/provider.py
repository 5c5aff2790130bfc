"""``ports.identity_provider.IdentityProvider`` with OpenID Connect Core 1.0: code flow and PKCE."""

import hmac
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode

import jwt
import msgspec

from adapters.oidc.keys import FRESH_SECONDS, Keys, KeySet
from adapters.oidc.web import Web, is_safe
from adapters.runtime.settings import BadSettings
from ports.clock import Clock
from ports.identity_provider import Errand, NotVouchedFor

LEEWAY_SECONDS: Final = 30
"""How far the provider's clock may be from ours."""
_LONGEST_TOKEN: Final = 16_384
_BASIC: Final = "client_secret_basic"


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows us by. ``redirect_url`` is where it sends browsers back to."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_url: str


class Discovery(msgspec.Struct, frozen=True):
    """OpenID Connect Discovery 1.0, 3, as far as it is of interest."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = (_BASIC,)


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class _Claims(msgspec.Struct, frozen=True):
    """OpenID Connect Core 1.0, 2 and 5.1. A type that is not right is a token that is not."""

    iss: str
    sub: str
    aud: str | tuple[str, ...]
    exp: float
    iat: float
    nonce: str
    azp: str = ""
    nbf: float = 0
    email: str = ""
    email_verified: bool = False


class OidcProvider:
    """Remembers what the provider says of itself for an hour."""

    def __init__(
        self, client: Client, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if not is_safe(client.issuer):
            raise BadSettings("LOYALNEST_OIDC_ISSUER is an address that begins with https://.")
        self._client = client
        self._clock = clock
        self._monotonic = monotonic
        self._web = Web()
        self._keys = Keys(self._ask_keys, monotonic)
        self._discovered: tuple[float, Discovery] | None = None

    async def address(self, errand: Errand) -> str:
        endpoint = (await self._discovery()).authorization_endpoint
        question = urlencode(
            {
                "response_type": "code",
                "client_id": self._client.client_id,
                "redirect_uri": self._client.redirect_url,
                "scope": "openid email",
                "state": errand.state,
                "nonce": errand.nonce,
                "code_challenge": _challenge(errand.verifier),
                "code_challenge_method": "S256",
            }
        )
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{question}"

    async def email(self, errand: Errand, code: str) -> str:
        discovery = await self._discovery()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_url,
            "code_verifier": errand.verifier,
        }
        headers: Mapping[str, str] = {}
        if _BASIC in discovery.token_endpoint_auth_methods_supported:
            headers = {"Authorization": self._basic()}
        else:
            form |= {
                "client_id": self._client.client_id,
                "client_secret": self._client.client_secret,
            }
        tokens = await self._web.ask(
            "POST", discovery.token_endpoint, _Tokens, data=form, headers=headers
        )
        claims = await self._signed(tokens.id_token)
        self._check(claims, errand.nonce)
        return claims.email

    async def close(self) -> None:
        await self._web.close()

    async def _discovery(self) -> Discovery:
        now = self._monotonic()
        if self._discovered is not None and now - self._discovered[0] < FRESH_SECONDS:
            return self._discovered[1]
        issuer = self._client.issuer
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._web.ask("GET", url, Discovery)
        if found.issuer != issuer:
            raise NotVouchedFor("the provider says that it is another")
        endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        if not all(map(is_safe, endpoints)):
            raise NotVouchedFor("an address of the provider is not safe to use")
        self._discovered = (now, found)
        return found

    async def _ask_keys(self) -> KeySet:
        return await self._web.ask("GET", (await self._discovery()).jwks_uri, KeySet)

    async def _signed(self, token: str) -> _Claims:
        """What the token says, if the provider signed it."""
        if len(token) > _LONGEST_TOKEN:
            raise NotVouchedFor("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            key_id, algorithm = header.get("kid"), header.get("alg")
            if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
                raise NotVouchedFor("the head of the token is not right")
            key = await self._keys.find(key_id, algorithm)
            # Everything but the signature is checked below, by our clock and our rules.
            said = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
            return msgspec.convert(said, _Claims)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
            raise NotVouchedFor("the token is not right") from error

    def _check(self, claims: _Claims, nonce: str) -> None:
        """OpenID Connect Core 1.0, 3.1.3.7. Raises NotVouchedFor."""
        audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
        us = self._client.client_id
        now = self._clock.now().timestamp()
        checks = {
            "is from another issuer": claims.iss == self._client.issuer,
            "has no subject": bool(claims.sub),
            "is meant for others": us in audience,
            "was asked for by others": claims.azp == us or (not claims.azp and len(audience) == 1),
            "is over": now < claims.exp + LEEWAY_SECONDS,
            "is not valid yet": max(claims.iat, claims.nbf) <= now + LEEWAY_SECONDS,
            "belongs to another log-in": hmac.compare_digest(claims.nonce.encode(), nonce.encode()),
            "names no verified address": claims.email_verified and bool(claims.email),
        }
        for what, is_fine in checks.items():
            if not is_fine:
                raise NotVouchedFor(f"the token {what}")

    def _basic(self) -> str:
        # Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
        pair = f"{quote(self._client.client_id, '')}:{quote(self._client.client_secret, '')}"
        return f"Basic {b64encode(pair.encode()).decode('ascii')}"


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode("ascii")
