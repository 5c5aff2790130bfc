"""Auth: which shops use LoyalNest, and whose token is valid."""

from typing import Final
from uuid import UUID

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
from domain.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated

_AUTH: Final = "auth"

DEVELOPMENT: Final = "development"
DEMO: Final = "demo"
DEVELOPMENT_SUBJECTS: Final = frozenset((DEVELOPMENT, DEMO))
"""Subjects of tokens made without a log-in. They stand for nobody, so no role is assigned to them:
while development log-ins are on, the role in such a token holds."""


class ValidateMerchant(Request, frozen=True, kw_only=True):
    """A shop by its domain or by our id; one of the two."""

    shop_domain: str = ""
    merchant_id: UUID | None = None


class Merchant(Response, frozen=True, kw_only=True):
    """A shop. Its keys are wrapped under the master key and useless without that one:
    ``wrapped_key`` seals, ``older_keys`` still open, ``index_key`` makes blind indexes (where it is
    empty, they are made with a key that is derived from the only other one). All are empty for a
    shop that was erased. ``keys_version`` counts their changes."""

    merchant_id: UUID
    shop_domain: str
    status: str  # "active", "suspended", "uninstalled"
    currency: str
    time_zone: str
    wrapped_key: str
    installed_at: Instant
    index_key: str = ""
    older_keys: tuple[str, ...] = ()
    keys_version: int = 0


VALIDATE_MERCHANT: Final = Operation(
    "auth.v1.ValidateMerchant",
    ValidateMerchant,
    Merchant,
    permission=INTERNAL,
    summary="The shop behind a domain or an id.",
    errors=(NotFound, InvalidRequest),
)


class RegisterMerchant(Request, frozen=True, kw_only=True):
    """A shop and what it reckons in: an ISO 4217 currency and an IANA time zone."""

    shop_domain: str
    currency: str = "USD"
    time_zone: str = "UTC"


REGISTER_MERCHANT: Final = Operation(
    "auth.v1.RegisterMerchant",
    RegisterMerchant,
    Merchant,
    permission=INTERNAL,
    summary="Take in a shop that has installed the app; a known one is answered as it is, and "
    "active again if it had removed the app and is not suspended.",
    errors=(InvalidRequest,),
    idempotency=Idempotency.NATURAL,
)


class ValidateToken(Request, frozen=True, kw_only=True):
    token: str


class TokenClaims(Response, frozen=True, kw_only=True):
    """What a valid token says; ``expires_at`` is at most 15 minutes after it was issued.
    ``impersonator`` is the member of LoyalNest's staff who acts as the subject, if one does."""

    audience: str
    subject: str
    token_id: str
    merchant_id: UUID | None = None
    customer_id: UUID | None = None
    role: str = ""
    expires_at: Instant
    session_id: UUID | None = None
    impersonator: str = ""


VALIDATE_TOKEN: Final = Operation(
    "auth.v1.ValidateToken",
    ValidateToken,
    TokenClaims,
    permission=INTERNAL,
    summary="Whether a token holds, was not revoked, and what it says.",
    errors=(Unauthenticated,),
)


class IssueDevelopmentToken(Request, frozen=True, kw_only=True):
    """A token without a log-in, for development. ``role`` is a role of the shop, or "customer"
    together with ``shopify_customer_id``, which no other role takes."""

    shop_domain: str
    role: str = "owner"
    shopify_customer_id: str = ""


class Token(Response, frozen=True, kw_only=True):
    token: str
    expires_at: Instant


ISSUE_DEVELOPMENT_TOKEN: Final = Operation(
    "auth.v1.IssueDevelopmentToken",
    IssueDevelopmentToken,
    Token,
    permission=INTERNAL,
    summary="A token for development and tests; refused where development log-in is off.",
    errors=(NotFound, Forbidden, InvalidRequest),
)


class OpenDemoSession(Request, frozen=True, kw_only=True):
    """A log-in to the demo shop's page."""


OPEN_DEMO_SESSION: Final = Operation(
    "auth.v1.OpenDemoSession",
    OpenDemoSession,
    Token,
    permission=PUBLIC,
    summary="A token that may look at the demo shop, without a password; refused where it is off.",
    http=post("/v1/api/auth/demo"),
    errors=(NotFound, Forbidden),
)


class MerchantCreated(Body, frozen=True, kw_only=True):
    shop_domain: str
    currency: str
    time_zone: str
    installed_at: Instant


class MerchantChanged(Body, frozen=True, kw_only=True):
    shop_domain: str
    status: str


MERCHANT_CREATED: Final = Event(
    "merchant.created", MerchantCreated, _AUTH, "A shop installed the app."
)
MERCHANT_CHANGED: Final = Event(
    "merchant.changed", MerchantChanged, _AUTH, "A shop was activated, suspended or uninstalled."
)

CONTRACTS: Final = Contracts(
    operations=(
        VALIDATE_MERCHANT,
        REGISTER_MERCHANT,
        VALIDATE_TOKEN,
        ISSUE_DEVELOPMENT_TOKEN,
        OPEN_DEMO_SESSION,
    ),
    events=(MERCHANT_CREATED, MERCHANT_CHANGED),
)
