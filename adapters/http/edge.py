"""What every request passes, whatever it asks for, before anybody looks at it: who sends it, how
large and how slow it is, and how many of its kind there are; and what every answer has.

Around the whole application, in plain ASGI, so that nothing can be mounted beside it.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.asgi import Header
from adapters.http.patience import Patience
from adapters.http.problems import refuse
from adapters.http.source import Network, Source, Sources
from adapters.memory.limits import MemoryLimits
from adapters.telemetry.metrics import HTTP_REQUESTS, LIMITED
from adapters.telemetry.requests import REQUEST_ID
from contracts.http import AddressTooLong, HeadersTooLarge
from domain.errors import LoyaltyError, NotFound, RateLimitExceeded
from domain.limits import Rate

MOST_HEADER_BYTES: Final = 16_384
"""Names and values of all headers together."""
MOST_ADDRESS_BYTES: Final = 8_192

_ROUTE: Final = "edge"
_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{8,64}")
_PASSED_ON: Final = frozenset((b"x-forwarded-for", b"forwarded", b"x-real-ip"))
_LOOKED_AT: Final = _PASSED_ON | {b"content-length", b"transfer-encoding", b"x-request-id"}
_SAFE: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"server", b"LoyalNest"),
)
_CONTENT_POLICY: Final = b"content-security-policy"
_NOTHING_INSIDE: Final[Header] = (_CONTENT_POLICY, b"default-src 'none'; frame-ancestors 'none'")
"""For everything that is no page."""


class Edge:
    """``staff`` are the networks that may know of ``/admin/*``. ``flood`` is what one address may
    send at all, counted in this process, and ``at_once`` how much of it may be under way, open
    WebSockets included: enough for whoever has work for us, Shopify and its webhooks above all.
    A body has to be there within ``body_seconds``."""

    def __init__(
        self,
        app: ASGIApp,
        sources: Sources,
        *,
        staff: Sequence[Network],
        flood: Rate,
        at_once: int,
        body_seconds: float,
        hsts_seconds: int,
        new_id: Callable[[], str],
    ) -> None:
        self._app = app
        self._sources = sources
        self._staff = tuple(staff)
        self._flood = flood
        self._counted = MemoryLimits()
        self._at_once = at_once
        self._under_way: Counter[str] = Counter()
        self._patience = Patience(body_seconds)
        self._new_id = new_id
        self._safe = _SAFE
        if hsts_seconds:
            value = f"max-age={hsts_seconds}; includeSubDomains".encode()
            self._safe = (*_SAFE, (b"strict-transport-security", value))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, has_body, given_id, passed_on = _look_at(scope["headers"])
        request_id = given_id.decode() if _ID.fullmatch(given_id) else self._new_id()
        REQUEST_ID.set(request_id)
        client = scope["client"]
        source = self._sources.of(client[0] if client else "", passed_on)
        scope.setdefault("state", {})["source"] = source
        send = self._with_headers(send, (b"x-request-id", request_id.encode()))
        refusal = self._refusal(scope, source, size)
        if refusal is not None:
            await self._refuse(scope, send, refusal)
            return
        if scope.get("method") == "HEAD":
            scope["method"] = "GET"  # type: ignore[typeddict-unknown-key]  # it is of HTTP; and the server leaves out the body
        if has_body:
            receive = self._patience.limited(receive)
        self._under_way[source.mark] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[source.mark] -= 1
            if not self._under_way[source.mark]:
                del self._under_way[source.mark]

    def _refusal(self, scope: Scope, source: Source, size: int) -> LoyaltyError | None:
        if size > MOST_HEADER_BYTES:
            return HeadersTooLarge()
        if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_ADDRESS_BYTES:
            return AddressTooLong()
        if not self._counted.admits(source.mark, self._flood):
            LIMITED.labels(_ROUTE, "flood").inc()
            return RateLimitExceeded()
        if self._under_way[source.mark] >= self._at_once:
            LIMITED.labels(_ROUTE, "at-once").inc()
            return RateLimitExceeded("Too many requests at the same time.")
        if _is_for_staff(scope["path"]) and not source.is_in(self._staff):
            return NotFound()  # as for any path that leads nowhere
        return None

    @staticmethod
    async def _refuse(scope: Scope, send: Send, refusal: LoyaltyError) -> None:
        headers: list[Header] = []
        if isinstance(refusal, RateLimitExceeded):
            headers = [(b"retry-after", b"1")]
        if "method" not in scope:  # a WebSocket
            send = _before_accepting(send)
        status = await refuse(send, refusal, headers)
        HTTP_REQUESTS.labels(_ROUTE, str(status)).inc()

    def _with_headers(self, send: Send, request_id: Header) -> Send:
        safe = self._safe

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], request_id, *safe]
                for name, _ in headers:
                    if name == _CONTENT_POLICY:
                        break
                else:
                    headers.append(_NOTHING_INSIDE)
                message["headers"] = headers
            await send(message)

        return with_headers


def _look_at(headers: Any) -> tuple[int, bool, bytes, str]:
    """All that the edge wants of the headers, in one go: their size, whether there is a body, the
    id that the request was given, and whom it is passed on for."""
    size, has_body, given_id, passed_on, named = 0, False, b"", False, []
    for name, value in headers:
        size += len(name) + len(value)
        if name not in _LOOKED_AT:
            continue
        if name == b"content-length":
            has_body = has_body or value != b"0"
        elif name == b"transfer-encoding":
            has_body = True
        elif name == b"x-request-id":
            given_id = value
        else:
            passed_on = True
            if name == b"x-forwarded-for":
                named.append(value.decode("latin-1"))
    # The other headers are not read; they just say that there is somebody in between.
    return size, has_body, given_id, ",".join(named) or ("unknown" if passed_on else "")


def _is_for_staff(path: str) -> bool:
    # As the router reads it: slashes without anything between them count as one.
    return path.lstrip("/").partition("/")[0] == "admin"


def _before_accepting(send: Send) -> Send:
    """Refuses a WebSocket with an answer in HTTP (ASGI, "WebSocket Denial Response")."""

    async def denied(message: Any) -> None:
        await send(message | {"type": message["type"].replace("http.", "websocket.http.", 1)})

    return denied
