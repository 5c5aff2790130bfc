"""``POST /webhooks/{topic}``: Shopify's deliveries, answered 200 only when safely stored.

Plain ASGI beside Litestar: this is the busiest path of the product, and routing it and building a
request and a response object cost more here than everything that is done with them.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol

from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.http.asgi import JSON, Header, answer, read_body
from adapters.http.problems import refuse
from adapters.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS, WEBHOOKS
from adapters.telemetry.tracing import current_trace_id, server_span
from contracts.http import MethodNotAllowed
from domain.errors import InternalError, LoyaltyError, Unauthenticated

log = logging.getLogger(__name__)

PATHS: Final = ("/webhooks", "/v1/api/webhooks")

_ROUTE: Final = "/webhooks/{topic}"
_SECONDS: Final = HTTP_SECONDS.labels(_ROUTE)
_OK: Final = HTTP_REQUESTS.labels(_ROUTE, "200")
_outcome: Final = lru_cache(WEBHOOKS.labels)
_ACCEPTED: Final = b'{"status":"accepted"}'
_REPEATED: Final = b'{"status":"repeated"}'
_SHOPIFYS: Final = b"x-shopify-"
_ALLOW: Final[Header] = (b"allow", b"POST")


class Accept(Protocol):
    async def __call__(
        self,
        topic: str,
        raw: bytes,
        *,
        signature: str,
        domain: str,
        webhook_id: str,
        triggered_at: str,
    ) -> bool: ...


def webhook_app(accept: Accept, topics: frozenset[str], max_bytes: int) -> ASGIApp:
    """To be mounted under ``PATHS``."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers, twice = _headers(scope)
        topic = scope["path"].strip("/")
        label = topic if topic in topics else "unknown"  # strangers must not make up labels
        trace = {"traceparent": _text(headers, b"traceparent")}
        with server_span(f"HTTP {_ROUTE}", trace):
            trace_id = current_trace_id()
            more = [(b"x-trace-id", trace_id.encode())] if trace_id else []
            try:
                _check(scope, more, twice=twice)
                stored = await accept(
                    topic,
                    await read_body(receive, headers, max_bytes),
                    signature=_text(headers, b"x-shopify-hmac-sha256"),
                    domain=_text(headers, b"x-shopify-shop-domain").lower(),
                    webhook_id=_text(headers, b"x-shopify-webhook-id"),
                    triggered_at=_text(headers, b"x-shopify-triggered-at"),
                )
            except LoyaltyError as error:
                _outcome(label, error.code).inc()
                await _refuse(send, error, more)
            except Exception:
                log.exception("a webhook of topic %s failed", label)
                _outcome(label, InternalError.code).inc()
                await _refuse(send, InternalError(), more)
            else:
                _outcome(label, "accepted" if stored else "repeated").inc()
                _OK.inc()
                await answer(send, 200, [JSON, *more], _ACCEPTED if stored else _REPEATED)
        _SECONDS.observe(time.perf_counter() - started)

    return handle


def _headers(scope: Scope) -> tuple[dict[bytes, bytes], bool]:
    """The headers by name, and whether one of Shopify's comes twice: which of two signatures, shops
    or ids is meant nobody can tell."""
    headers: dict[bytes, bytes] = {}
    twice = False
    for name, value in scope["headers"]:
        twice = twice or (name in headers and name.startswith(_SHOPIFYS))
        headers[name] = value
    return headers, twice


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _check(scope: Scope, more: list[Header], *, twice: bool) -> None:
    if scope.get("method") != "POST":
        more.append(_ALLOW)
        raise MethodNotAllowed
    if twice:
        raise Unauthenticated("A header of Shopify's is there twice.")


async def _refuse(send: Send, error: LoyaltyError, headers: Sequence[Header]) -> None:
    status = await refuse(send, error, headers)
    HTTP_REQUESTS.labels(_ROUTE, str(status)).inc()
