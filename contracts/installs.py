"""Getting in from Shopify: installing the app, and log-ins with what Shopify vouches for."""

from types import MappingProxyType
from typing import Final

from contracts.http import WithHeaders
from contracts.kit import (
    INTERNAL,
    PUBLIC,
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Request,
    Response,
    post,
)
from contracts.limits import TOKENS
from contracts.sessions import TokenPair
from domain.errors import InvalidRequest, Kind, LoyaltyError, NotFound

_SHOPIFY_SECONDS: Final = 15.0
"""Deadline of what asks Shopify while somebody waits."""


class InvalidInstall(LoyaltyError):
    """A browser that comes back from Shopify with something Shopify did not give it now."""

    code = "INVALID_INSTALL"
    kind = Kind.UNAUTHENTICATED
    title = "This does not come from Shopify, or not from this installation; begin it again."


class MissingScopes(LoyaltyError):
    code = "MISSING_SCOPES"
    kind = Kind.REFUSED
    title = "The shop has not granted all that LoyalNest needs."


class ShopifyRefused(LoyaltyError):
    """Shopify understood and said no, and would say so again."""

    code = "SHOPIFY_REFUSED"
    kind = Kind.REFUSED
    title = "Shopify does not give access with this."


class ShopifyUnavailable(LoyaltyError):
    code = "SHOPIFY_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    title = "Shopify does not answer as it should; please try again."


class AccessLost(LoyaltyError):
    code = "SHOPIFY_ACCESS_LOST"
    kind = Kind.CONFLICT
    title = "Access to the shop is lost until somebody of its staff opens the app again."


class InvalidSessionToken(WithHeaders):
    """By the header App Bridge learns to try again, with a new token."""

    code = "INVALID_SESSION_TOKEN"
    kind = Kind.UNAUTHENTICATED
    title = "A valid session token of Shopify is needed."
    headers = MappingProxyType({"X-Shopify-Retry-Invalid-Session-Request": "1"})


class BeginInstall(Request, frozen=True, kw_only=True):
    """``query`` is the query of the address that a browser was sent to us with: it names the shop
    (``shop``) and, where Shopify sent it, is signed (``hmac``)."""

    query: str


class InstallBegun(Response, frozen=True, kw_only=True):
    """``authorize_url`` is where the merchant is asked for consent. ``state`` comes back from there
    and counts once; the browser keeps it until then."""

    authorize_url: str
    state: str
    expires_at: Instant


BEGIN_INSTALL: Final = Operation(
    "auth.v1.BeginInstall",
    BeginInstall,
    InstallBegun,
    permission=INTERNAL,
    summary="Begin to install the app in a shop, with a merchant's browser.",
    errors=(InvalidRequest, InvalidInstall),
    idempotency=Idempotency.NATURAL,
)


class CompleteInstall(Request, frozen=True, kw_only=True):
    """``query`` is the query of the address that Shopify sent the browser back to, ``kept_state``
    what the browser has kept."""

    query: str
    kept_state: str


class Installed(Response, frozen=True, kw_only=True):
    """``app_url`` is where the app is found in the shop's admin."""

    shop_domain: str
    app_url: str


COMPLETE_INSTALL: Final = Operation(
    "auth.v1.CompleteInstall",
    CompleteInstall,
    Installed,
    permission=INTERNAL,
    summary="Take in the shop whose merchant has given consent, with its access to Shopify. A shop "
    "that comes back finds its data.",
    errors=(InvalidInstall, MissingScopes, ShopifyRefused, ShopifyUnavailable),
    idempotency=Idempotency.NATURAL,
    deadline=_SHOPIFY_SECONDS,
)


class GetShopifyAccess(Request, frozen=True, kw_only=True):
    """``refused_version`` is the ``version`` of an access that Shopify has refused with 401: one
    that is newer is got then, however long the other was to live."""

    refused_version: int = 0


class ShopifyAccess(Response, frozen=True, kw_only=True):
    """An offline access token, good for some minutes at least; it is of no use after
    ``expires_at``, nor once Shopify has refused it. ``version`` counts the tokens that the shop
    had."""

    shop_domain: str
    access_token: str
    expires_at: Instant
    scopes: tuple[str, ...]
    version: int


GET_SHOPIFY_ACCESS: Final = Operation(
    "auth.v1.GetShopifyAccess",
    GetShopifyAccess,
    ShopifyAccess,
    permission=INTERNAL,
    summary="How to call Shopify for the shop of the caller, now. A shop that has removed the app "
    "is not found: nothing is to be done for it.",
    errors=(NotFound, AccessLost, ShopifyUnavailable),
    idempotency=Idempotency.NATURAL,
    deadline=_SHOPIFY_SECONDS,
)


class LogIn(Request, frozen=True, kw_only=True):
    """A log-in from inside the shop's admin. The session token comes from App Bridge, which puts
    it there by itself: ``Authorization: Bearer …``. It counts for one log-in, and for a minute."""

    session_token: str


LOG_IN: Final = Operation(
    "auth.v1.LogIn",
    LogIn,
    TokenPair,
    permission=PUBLIC,
    summary="Log in one of a shop's staff with a session token of Shopify. A shop that does not "
    "use LoyalNest yet is taken in by it. The first of the staff is its owner, others are viewers "
    "until they are given a role.",
    http=post("/v1/api/auth/login", bearer="session_token"),
    errors=(InvalidSessionToken, NotFound, MissingScopes, ShopifyUnavailable),
    idempotency=Idempotency.NATURAL,
    deadline=_SHOPIFY_SECONDS,
    rate=TOKENS,
)


class LogInCustomer(Request, frozen=True, kw_only=True):
    """A log-in of a customer from an extension at the checkout or in the customer's account.
    What the extension's session-token API gives is sent as ``Authorization: Bearer …``; it lives
    five minutes."""

    session_token: str


class CustomerToken(Response, frozen=True, kw_only=True):
    """``token`` is a member's access token; both are null for a visitor whom the shop does not
    know: somebody who is not logged in there."""

    token: str | None
    expires_at: Instant | None


LOG_IN_CUSTOMER: Final = Operation(
    "auth.v1.LogInCustomer",
    LogInCustomer,
    CustomerToken,
    permission=PUBLIC,
    summary="A token for the customer whom an extension of the shop is shown to.",
    http=post("/v1/api/auth/customer", bearer="session_token", any_origin=True),
    errors=(InvalidSessionToken, NotFound),
    idempotency=Idempotency.NATURAL,
    rate=TOKENS,
)


class AdmitCustomer(Request, frozen=True, kw_only=True):
    """``shopify_customer_id`` is empty for a visitor who is not logged in."""

    shop_domain: str
    shopify_customer_id: str


ADMIT_CUSTOMER: Final = Operation(
    "auth.v1.AdmitCustomer",
    AdmitCustomer,
    CustomerToken,
    permission=INTERNAL,
    summary="A token for a customer for whom the edge has Shopify's word.",
    errors=(NotFound, InvalidRequest),
    idempotency=Idempotency.NATURAL,
)


class ShopConnected(Body, frozen=True, kw_only=True):
    """``connected_at`` is when the shop was first seen to have the app, this time. ``returned``: it
    had the app before, and had removed it."""

    shop_domain: str
    connected_at: Instant
    returned: bool = False


SHOP_CONNECTED: Final = Event(
    "merchant.connected",
    ShopConnected,
    "auth",
    "A shop installed the app, for the first time or again, and may be asked at Shopify.",
)

CONTRACTS: Final = Contracts(
    operations=(
        BEGIN_INSTALL,
        COMPLETE_INSTALL,
        GET_SHOPIFY_ACCESS,
        LOG_IN,
        LOG_IN_CUSTOMER,
        ADMIT_CUSTOMER,
    ),
    events=(SHOP_CONNECTED,),
)
