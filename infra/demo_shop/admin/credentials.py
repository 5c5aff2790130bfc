"""What Shopify hands to browsers, signed with the app's client secret, as Shopify makes it."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import jwt

_SESSION_SECONDS: Final = 60
_EXTENSION_SECONDS: Final = 300


class App(NamedTuple):
    """The app as it is registered with Shopify. ``scopes`` is what it is configured to ask for."""

    client_id: str
    secret: str
    scopes: tuple[str, ...] = ()


def session_token(app: App, shop: str, user: str, now: datetime, **changes: Any) -> str:
    """What App Bridge gives to a page inside the shop's admin: who of the staff is looking.

    ``changes`` replace claims; None leaves one out.
    """
    at = int(now.timestamp())
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": app.client_id,
        "sub": user,
        "exp": at + _SESSION_SECONDS,
        "nbf": at,
        "iat": at,
        "jti": str(uuid4()),
        "sid": uuid4().hex,
    }
    return _signed(claims | changes, app.secret)


def extension_token(app: App, shop: str, customer: str, now: datetime, **changes: Any) -> str:
    """What checkout and customer-account extensions get. ``customer`` is their id at Shopify, empty
    for somebody who is not logged in. It names the shop without a scheme, and no issuer."""
    at = int(now.timestamp())
    claims = {
        "dest": shop,
        "aud": app.client_id,
        "exp": at + _EXTENSION_SECONDS,
        "nbf": at,
        "iat": at,
        "jti": str(uuid4()),
        "sub": f"gid://shopify/Customer/{customer}" if customer else None,
    }
    return _signed(claims | changes, app.secret)


def proxied_query(
    app: App, shop: str, customer: str, now: datetime, more: Mapping[str, str] | None = None
) -> str:
    """The query with which Shopify passes on what a storefront asks under ``/apps/loyalnest``.
    ``customer`` is empty for a visitor who is not logged in."""
    parameters = {
        **(more or {}),
        "shop": shop,
        "logged_in_customer_id": customer,
        "path_prefix": "/apps/loyalnest",
        "timestamp": str(int(now.timestamp())),
    }
    text = "".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    signature = hmac.digest(app.secret.encode(), text.encode(), "sha256").hex()
    return urlencode({**parameters, "signature": signature})


def signed_query(app: App, parameters: Mapping[str, str]) -> str:
    """A query with the ``hmac`` that Shopify puts on what it sends a browser to an app with."""
    text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    signature = hmac.digest(app.secret.encode(), text.encode(), "sha256").hex()
    return urlencode({**parameters, "hmac": signature})


def _signed(claims: Mapping[str, Any], secret: str) -> str:
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        secret,
        algorithm="HS256",
    )
