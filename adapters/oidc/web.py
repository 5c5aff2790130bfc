"""Asking the provider: small JSON answers from addresses that are safe to ask, in time."""

from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from domain.errors import Unavailable
from ports.identity_provider import NotVouchedFor

ValueT = TypeVar("ValueT")

SECONDS: Final = 5.0
_MOST_BYTES: Final = 512 * 1024
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "localhost"))
_AWAY: Final = "The identity provider does not answer; please try again."


def is_safe(url: str) -> bool:
    """Whether nobody on the way can read or change what is said: TLS, or this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


class Web:
    """One client for all questions to the provider; redirects are not followed."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False)

    async def ask(self, method: str, url: str, kind: type[ValueT], **how: Any) -> ValueT:
        """What ``url`` answers. Raises Unavailable when it cannot be asked or has a fault,
        NotVouchedFor when it refuses or its answer is not what was expected."""
        try:
            async with self._client.stream(method, url, **how) as response:
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise NotVouchedFor("an answer of the provider is too large")
        except httpx.HTTPError as error:
            raise Unavailable(_AWAY) from error
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable(_AWAY)
        if response.status_code != httpx.codes.OK:
            raise NotVouchedFor(f"the provider answered {response.status_code}")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            # Without its text, which could quote the answer.
            raise NotVouchedFor("an answer of the provider is not what was expected") from error

    async def close(self) -> None:
        await self._client.aclose()
