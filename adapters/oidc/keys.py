"""The provider's public keys: remembered, and asked for again when it signs with a new one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ports.identity_provider import NotVouchedFor

PublicKey = RSAPublicKey | EllipticCurvePublicKey

FRESH_SECONDS: Final = 3600.0
"""A key that the provider has withdrawn is believed for this long at most."""
AGAIN_SECONDS: Final = 10.0
"""Tokens with made-up key ids must not turn into a flood of questions to the provider."""
_LEAST_RSA_BITS: Final = 2048
ALGORITHMS: Final = ("RS256", "ES256")


class KeySet(msgspec.Struct, frozen=True):
    """A JSON Web Key Set (RFC 7517), as far as it is of interest."""

    keys: tuple[Mapping[str, Any], ...]


class Keys:
    """``ask`` gets the provider's key set."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[KeySet]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._known: tuple[Mapping[str, Any], ...] = ()
        self._asked_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def find(self, key_id: str | None, algorithm: str) -> PublicKey:
        """The one key that a token with this header can be signed with.

        Raises NotVouchedFor when there is none or it is not fit, Unavailable when the provider
        cannot be asked.
        """
        if algorithm not in ALGORITHMS:
            raise NotVouchedFor("the token is signed with an algorithm that is not accepted")
        async with self._one_at_a_time:
            if self._monotonic() - self._asked_at >= FRESH_SECONDS:
                await self._learn()
            found = self._matching(key_id, algorithm)
            if not found and self._monotonic() - self._asked_at >= AGAIN_SECONDS:
                await self._learn()
                found = self._matching(key_id, algorithm)
        if len(found) != 1:
            raise NotVouchedFor("the token is signed with a key that the provider does not name")
        return _public_key(found[0], algorithm)

    async def _learn(self) -> None:
        self._known = (await self._ask()).keys
        self._asked_at = self._monotonic()

    def _matching(self, key_id: str | None, algorithm: str) -> list[Mapping[str, Any]]:
        # The kind of key decides what may be done with it, not the token: a public RSA key is
        # never the secret of an HMAC.
        kind = "RSA" if algorithm == "RS256" else "EC"
        return [
            key
            for key in self._known
            if key.get("kty") == kind
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and (key_id is None or key.get("kid") == key_id)
        ]


def _public_key(key: Mapping[str, Any], algorithm: str) -> PublicKey:
    try:
        public = jwt.PyJWK(dict(key), algorithm).key
    except (jwt.PyJWTError, ValueError) as error:
        raise NotVouchedFor("a key of the provider cannot be read") from error
    if isinstance(public, RSAPublicKey) and public.key_size >= _LEAST_RSA_BITS:
        return public
    if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        return public
    raise NotVouchedFor("a key of the provider is too weak, or a private one")
