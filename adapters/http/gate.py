"""What every request to something of ours passes: who asks, how often, from which page; and the
plain ASGI around it, one handler for each path that knows all methods of it."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from litestar.enums import HttpMethod
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.handlers import asgi as asgi_handler
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Counter

from adapters.http.asgi import Header, answer, headers_of, read_body
from adapters.http.json_bodies import check_depth, check_type
from adapters.http.limit_headers import limit_headers
from adapters.http.origins import Origins
from adapters.http.problems import refuse
from adapters.http.source import source_of
from adapters.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS, LIMITED
from adapters.telemetry.tracing import current_trace_id, server_span
from contracts.caller import ANYONE, Caller
from contracts.http import MethodNotAllowed
from domain.errors import InternalError, LoyaltyError, RateLimitExceeded, Unauthenticated
from domain.limits import Drawn, Rate

log = logging.getLogger(__name__)

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

CallerOf = Callable[[str], Awaitable[Caller]]
"""``Authorization`` header → caller."""


class Charged(Protocol):
    @property
    def policies(self) -> tuple[str, ...]: ...
    @property
    def drawn(self) -> Drawn: ...


class Charge(Protocol):
    async def __call__(self, name: str, rate: Rate | None, caller: Caller, source: str) -> Charged:
        """Count a request for ``name`` against the rate limits of whoever sends it; without a
        name, against those of its address alone. ``rate`` is what is allowed of it, or else what
        is usual."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and what the answer has to have besides, also one that refuses: ``more`` grows
    while it is looked at."""

    scope: Scope
    receive: Receive
    headers: Mapping[bytes, bytes]
    more: list[Header]

    def header(self, name: bytes) -> str:
        """Empty if it is not there."""
        return self.headers.get(name, b"").decode("latin-1")


@dataclass(frozen=True, slots=True)
class Gate:
    caller_of: CallerOf
    charge: Charge
    origins: Origins
    max_bytes: int

    async def admit(
        self, asked: Asked, name: str, rate: Rate | None, *, is_open: bool, takes_ours: bool = True
    ) -> Caller:
        """Who asks for ``name``. ``is_open``: to pages of any origin. Without ``takes_ours`` it is
        anyone, whatever token comes along: it is not meant for us to read.

        Raises Unauthenticated for a token that is not valid, RateLimitExceeded, Unavailable.
        """
        refusal: Unauthenticated | None = None
        try:
            caller = await self.caller_of(asked.header(b"authorization")) if takes_ours else ANYONE
        except Unauthenticated as error:
            caller, refusal = ANYONE, error  # who guesses at tokens is counted, too
        limited: RateLimitExceeded | None = None
        try:
            await self.count(asked, name, rate, caller, source_of(asked.scope).mark)
        except RateLimitExceeded as error:
            limited = error
        if origin := asked.header(b"origin"):
            asked.more.extend(
                await self.origins.answer(
                    origin,
                    is_open=is_open,
                    merchant_id=caller.merchant_id,
                    may_ask=limited is None,
                )
            )
        if either := limited or refusal:
            raise either
        return caller

    async def count(
        self, asked: Asked, name: str, rate: Rate | None, caller: Caller, source: str
    ) -> None:
        """Count one request for ``name``, and tell what is left. Raises RateLimitExceeded."""
        charged = await self.charge(name, rate, caller, source)
        drawn = charged.drawn
        asked.more.extend(limit_headers(charged.policies, drawn))
        if not drawn.admitted:
            LIMITED.labels(name, charged.policies[drawn.levels.index(drawn.tightest)]).inc()
            raise RateLimitExceeded

    async def json_body(self, asked: Asked) -> bytes:
        """The body, which says that it is JSON and may be. Raises NotJson, TooLarge,
        BodyTooSlow, InvalidRequest."""
        headers = asked.headers
        check_type(headers.get(b"content-type", b""), headers.get(b"content-encoding", b""))
        raw = await read_body(asked.receive, headers, self.max_bytes)
        check_depth(raw)
        return raw

    async def preflight(self, asked: Asked, *, is_open: bool, methods: str) -> None:
        """What a browser wants to know that asks before it calls: no token is needed for that."""
        charged = await self.charge("", None, ANYONE, source_of(asked.scope).mark)
        asked.more.extend(
            await self.origins.preflight(
                asked.header(b"origin"),
                is_open=is_open,
                methods=methods,
                may_ask=charged.drawn.admitted,
            )
        )


class Answers(Protocol):
    """What answers one method of a path."""

    @property
    def is_open(self) -> bool:
        """To pages of any origin."""
        ...

    async def answer(self, asked: Asked) -> tuple[int, bytes]:
        """Status and body; headers go into ``asked.more``. May raise any LoyaltyError."""
        ...


def route(path: str, methods: Mapping[str, Answers], gate: Gate) -> BaseRouteHandler:
    """Traced, counted and timed; refusals are problem documents, also the unforeseen."""
    handle = _Path(path, methods, gate).handle
    if "{" not in path:
        return asgi_handler(path, copy_scope=False)(handle)

    # Litestar (2.25) does not find the parameters in the path of a handler in plain ASGI.
    async def with_parameters() -> ASGIApp:
        return handle

    every = cast(Sequence[HttpMethod], tuple(HttpMethod))
    return HTTPRouteHandler(path, http_method=every, status_code=200)(with_parameters)


class _Path:
    def __init__(self, path: str, methods: Mapping[str, Answers], gate: Gate) -> None:
        self._path = path
        self._methods = methods
        self._gate = gate
        self._known = ", ".join(
            each for each in _METHODS if ("GET" if each == "HEAD" else each) in methods
        )
        self._allow: Header = (b"allow", f"{self._known}, OPTIONS".encode())
        self._seconds = HTTP_SECONDS.labels(path)
        self._counts: dict[int, Counter] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        asked = Asked(scope, receive, headers_of(scope), [])
        method = str(scope.get("method"))
        with server_span(f"HTTP {self._path}", {"traceparent": asked.header(b"traceparent")}):
            if trace_id := current_trace_id():
                asked.more.append((b"x-trace-id", trace_id.encode()))
            try:
                status, body = await self._answer(asked, method)
            except LoyaltyError as error:
                status = await refuse(send, error, asked.more)
            except Exception:
                log.exception("%s %s failed", method, self._path)
                status = await refuse(send, InternalError(), asked.more)
            else:
                await answer(send, status, asked.more, body)
        if status not in self._counts:
            self._counts[status] = HTTP_REQUESTS.labels(self._path, str(status))
        self._counts[status].inc()
        self._seconds.observe(time.perf_counter() - started)

    async def _answer(self, asked: Asked, method: str) -> tuple[int, bytes]:
        if found := self._methods.get(method):
            return await found.answer(asked)
        asked.more.append(self._allow)
        if method != "OPTIONS":
            raise MethodNotAllowed
        wanted = asked.header(b"access-control-request-method")
        if wanted and asked.header(b"origin"):
            found = self._methods.get(wanted)
            is_open = found is not None and found.is_open
            await self._gate.preflight(asked, is_open=is_open, methods=self._known)
        return 204, b""
