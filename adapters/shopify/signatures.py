"""Whether a request really comes from Shopify: webhook and app-proxy signatures."""

import hmac
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Final

PROXY_MAX_AGE: Final = 90
"""Seconds after which an app-proxy request is too old, so that it cannot be replayed later."""


def webhook_signature(raw: bytes, secret: bytes) -> str:
    """What Shopify puts into ``X-Shopify-Hmac-Sha256`` for the body ``raw``."""
    return b64encode(hmac.digest(secret, raw, "sha256")).decode("ascii")


def is_webhook_signature(raw: bytes, signature: str, secrets: Sequence[bytes]) -> bool:
    """Whether ``signature`` was made over exactly these bytes with one of ``secrets``: the current
    one, and after a rotation the previous one, which Shopify uses for up to an hour."""
    return _made_by_any(signature, (webhook_signature(raw, secret) for secret in secrets))


def proxy_signature(parameters: Iterable[tuple[str, str]], secret: bytes) -> str:
    """The ``signature`` of an app-proxy request: its decoded query parameters but that one, values
    of one name joined with a comma, sorted, and concatenated without a separator."""
    joined: dict[str, list[str]] = {}
    for name, value in parameters:
        if name != "signature":
            joined.setdefault(name, []).append(value)
    text = "".join(f"{name}={','.join(joined[name])}" for name in sorted(joined))
    return hmac.digest(secret, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def is_proxy_request(
    parameters: Sequence[tuple[str, str]], secrets: Sequence[bytes], now: int
) -> bool:
    """Whether these are the parameters of an app-proxy request that Shopify signed not longer than
    ``PROXY_MAX_AGE`` seconds before (or after: clocks differ) ``now``, in seconds since 1970."""
    # A second signature or timestamp would leave open which of them was checked.
    signatures = [value for name, value in parameters if name == "signature"]
    stamps = [value for name, value in parameters if name == "timestamp"]
    if len(signatures) != 1 or len(stamps) != 1:
        return False
    if not (stamps[0].isascii() and stamps[0].isdigit() and len(stamps[0]) <= 12):
        return False
    genuine = _made_by_any(
        signatures[0], (proxy_signature(parameters, secret) for secret in secrets)
    )
    return genuine and abs(now - int(stamps[0])) <= PROXY_MAX_AGE


def _made_by_any(signature: str, expected: Iterable[str]) -> bool:
    """Compares with all of them, so that the time taken says nothing."""
    given = signature.encode("utf-8", "surrogatepass")
    found = False
    for one in expected:
        found |= hmac.compare_digest(given, one.encode("ascii"))
    return found
