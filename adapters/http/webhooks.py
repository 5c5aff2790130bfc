"""``POST /webhooks/{topic}``: Shopify's deliveries, answered 200 only when safely stored.

Plain ASGI inside Litestar: this is the busiest path of the product, and building a request and a
response object costs more here than everything that is done with them.
"""

import logging
import time
from typing import Final, Protocol

from litestar.handlers import ASGIRouteHandler
from litestar.handlers import asgi as asgi_handler
from litestar.types import Receive, Scope, Send

from adapters.http.problems import problem_body
from adapters.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS, WEBHOOKS
from adapters.telemetry.tracing import current_trace_id, server_span
from contracts.http import PROBLEM_JSON, STATUS
from domain.errors import InternalError, InvalidRequest, Kind, LoyaltyError, TooLarge

log = logging.getLogger(__name__)

PATHS: Final = ("/webhooks", "/v1/api/webhooks")

_ROUTE: Final = "/webhooks/{topic}"
_SECONDS: Final = HTTP_SECONDS.labels(_ROUTE)
_OK: Final = HTTP_REQUESTS.labels(_ROUTE, "200")
_ACCEPTED: Final = b'{"status":"accepted"}'
_REPEATED: Final = b'{"status":"repeated"}'
_JSON: Final = (b"content-type", b"application/json")


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


class MethodNotAllowed(InvalidRequest):
    code = "METHOD_NOT_ALLOWED"
    title = "This path does not take that method."


def webhook_route(accept: Accept, topics: frozenset[str], max_bytes: int) -> ASGIRouteHandler:
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        topic = scope["path"].strip("/")
        label = topic if topic in topics else "unknown"  # strangers must not make up labels
        trace = {"traceparent": headers.get(b"traceparent", "")}
        with server_span(f"HTTP {_ROUTE}", trace):
            trace_id = current_trace_id()
            if scope.get("method") != "POST":
                await _refuse(send, MethodNotAllowed(), 405, trace_id)
                return
            try:
                stored = await accept(
                    topic,
                    await _body(receive, headers.get(b"content-length", ""), max_bytes),
                    signature=headers.get(b"x-shopify-hmac-sha256", ""),
                    domain=headers.get(b"x-shopify-shop-domain", "").lower(),
                    webhook_id=headers.get(b"x-shopify-webhook-id", ""),
                    triggered_at=headers.get(b"x-shopify-triggered-at", ""),
                )
            except LoyaltyError as error:
                WEBHOOKS.labels(label, error.code).inc()
                await _refuse(send, error, STATUS[error.kind], trace_id)
            except Exception:
                log.exception("a webhook of topic %s failed", label)
                WEBHOOKS.labels(label, InternalError.code).inc()
                await _refuse(send, InternalError(), 500, trace_id)
            else:
                WEBHOOKS.labels(label, "accepted" if stored else "repeated").inc()
                _OK.inc()
                await _answer(send, 200, _JSON, _ACCEPTED if stored else _REPEATED, trace_id)
        _SECONDS.observe(time.perf_counter() - started)

    return asgi_handler(list(PATHS), is_mount=True, copy_scope=False)(handle)


async def _body(receive: Receive, length: str, most: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be."""
    if length.isdigit() and int(length) > most:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the sender has gone away
            raise InvalidRequest("The body is incomplete.")
        parts.append(message["body"])
        size += len(parts[-1])
        if size > most:
            raise TooLarge
        if not message["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _refuse(send: Send, error: LoyaltyError, status: int, trace_id: str) -> None:
    HTTP_REQUESTS.labels(_ROUTE, str(status)).inc()
    kind = (b"content-type", PROBLEM_JSON.encode())
    more = [(b"retry-after", b"2")] if error.kind is Kind.UNAVAILABLE else []
    await _answer(send, status, kind, problem_body(error, status), trace_id, *more)


async def _answer(
    send: Send,
    status: int,
    kind: tuple[bytes, bytes],
    body: bytes,
    trace_id: str,
    *more: tuple[bytes, bytes],
) -> None:
    headers = [kind, (b"content-length", str(len(body)).encode()), *more]
    if trace_id:
        headers.append((b"x-trace-id", trace_id.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
