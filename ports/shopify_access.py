"""What auth needs of Shopify: proof of what browsers bring from there, and access to shops."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Grant:
    """Access to one shop: a token for about an hour, and one that gets the next pair."""

    access_token: str = field(repr=False)
    access_expires_at: datetime
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShopDetails:
    """What a shop reckons in: an ISO 4217 currency and an IANA time zone."""

    currency: str
    time_zone: str


class GrantRefused(Exception):
    """Shopify says no to a code, a session token or a refresh token, and would say so again."""


@dataclass(frozen=True, slots=True)
class StaffProof:
    """A session token that holds: ``user_id`` (Shopify's) of this shop's staff looked at the app,
    and so had it, at ``issued_at``."""

    shop_domain: str
    user_id: str
    token_id: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerProof:
    """An extension's token that holds. ``customer_id`` is Shopify's, empty for somebody who is not
    logged in."""

    shop_domain: str
    customer_id: str


class ShopifyAccess(Protocol):
    """The authority that gives access. Shops are named by domains that were checked before.

    The three that ask Shopify for access raise GrantRefused for a no; they, and who asks for a
    shop's details, raise ``contracts.installs.ShopifyUnavailable`` for anything but an answer.
    """

    def authorize_url(
        self, shop_domain: str, scopes: Sequence[str], redirect_uri: str, state: str
    ) -> str:
        """Where a merchant is asked for consent."""
        ...

    def app_url(self, shop_domain: str) -> str:
        """Where the app is found in the admin of a shop that has it."""
        ...

    def is_signed(self, parameters: Sequence[tuple[str, str]]) -> bool:
        """Whether Shopify made the ``hmac`` among these query parameters over all the others."""
        ...

    async def by_code(self, shop_domain: str, code: str) -> Grant:
        """What an authorization code is exchanged for, once."""
        ...

    async def by_session_token(self, shop_domain: str, session_token: str) -> Grant:
        """What a session token of the shop is exchanged for, where the app is installed."""
        ...

    async def by_refresh_token(self, shop_domain: str, refresh_token: str) -> Grant:
        """The next pair. The refresh token may be shown again until that pair's is used."""
        ...

    async def details(self, shop_domain: str, access_token: str) -> ShopDetails: ...


class SessionTokens(Protocol):
    """Checks tokens that Shopify gave to browsers.

    Both raise ``contracts.installs.InvalidSessionToken``, with a text that gives nothing away.
    """

    def staff(self, token: str) -> StaffProof:
        """Who of a shop's staff an App Bridge session token is for."""
        ...

    def customer(self, token: str) -> CustomerProof:
        """Whom an extension's token is for."""
        ...
