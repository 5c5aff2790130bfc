"""A provider of identities that vouches for somebody's e-mail address (OpenID Connect)."""

from dataclasses import dataclass
from typing import Protocol


class NotVouchedFor(Exception):
    """The provider did not say, in a way that can be believed, whose address it is. The text names
    what was wrong, for the log; it never holds a token or an address."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What one trip of a browser to the provider is known by: 256 bits each. ``state`` comes back
    with the browser, ``nonce`` inside the provider's word, ``verifier`` proves that whoever brings
    the code is who began (PKCE, RFC 7636)."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider(Protocol):
    async def address(self, errand: Errand) -> str:
        """Where the browser is sent. Raises Unavailable when the provider does not answer."""
        ...

    async def email(self, errand: Errand, code: str) -> str:
        """The e-mail address, verified by the provider, of whoever came back with ``code``.

        Raises NotVouchedFor, and Unavailable when the provider does not answer.
        """
        ...
