"""Answering calls: bounded concurrency, deadlines, permission, validation, idempotency, drain.

Written on plain subscriptions: the endpoints of ``nats.micro`` run one call at a time, send
``repr(error)`` to the caller, echo request headers and do not drain.
"""

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from adapters.nats import errors
from adapters.nats.connection import (
    CALLER,
    ERROR,
    IDEMPOTENCY_KEY,
    REQUEST,
    SIGNATURE,
    TIMEOUT_MS,
)
from adapters.nats.vouching import Vouching
from adapters.telemetry.metrics import CALL_SECONDS, CALLS, CALLS_RUNNING
from adapters.telemetry.requests import REQUEST_ID
from adapters.telemetry.tracing import server_span
from adapters.validation import decode_request
from contracts.caller import Caller, NoShop
from contracts.kit import Operation, Request
from contracts.permissions import check_permission
from domain.errors import (
    Busy,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    LoyaltyError,
    NotVouchedFor,
    Unauthenticated,
)
from ports.tenancy import within

log = logging.getLogger(__name__)

MAX_RUNNING: Final = 256
"""Calls one service works on at a time in one process; more are answered BUSY at once."""

Handle = Callable[[Caller, Any, str], Awaitable[msgspec.Struct]]
"""(caller, request, idempotency key) → answer."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation and what answers it."""

    operation: Operation[Request, msgspec.Struct]
    handle: Handle


@dataclass(slots=True)
class EndpointStats:
    """What service discovery reports of an endpoint (NATS micro protocol, nanoseconds)."""

    requests: int = 0
    errors: int = 0
    processing_ns: int = 0


class RpcServer:
    """All operations of one service in this process."""

    def __init__(
        self, client: Client, service: str, endpoints: Sequence[Endpoint], vouching: Vouching
    ) -> None:
        self._client = client
        self._vouching = vouching
        self._service = service
        self._endpoints = tuple(endpoints)
        self._running: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []
        self.stats = {endpoint.operation.name: EndpointStats() for endpoint in endpoints}

    async def start(self) -> None:
        for endpoint in self._endpoints:
            self._subscriptions.append(
                await self._client.subscribe(
                    endpoint.operation.subject, queue=self._service, cb=self._receiver(endpoint)
                )
            )

    async def stop(self, seconds: float = 10.0) -> None:
        """Take nothing new, finish what runs, for at most ``seconds``."""
        for subscription in self._subscriptions:
            await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py leaves it untyped
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()

    def _receiver(self, endpoint: Endpoint) -> Callable[[Msg], Awaitable[None]]:
        decoder = msgspec.json.Decoder(endpoint.operation.request)

        async def receive(message: Msg) -> None:
            if len(self._running) >= MAX_RUNNING:
                await self._refuse(message, Busy())
                return
            # A fresh context: what a call leaves in context variables must not leak into the next.
            task = asyncio.get_running_loop().create_task(
                self._serve(endpoint, decoder, message), context=contextvars.Context()
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        return receive

    async def _serve(
        self, endpoint: Endpoint, decoder: msgspec.json.Decoder[Request], message: Msg
    ) -> None:
        operation = endpoint.operation
        headers = message.headers or {}
        REQUEST_ID.set(headers.get(REQUEST, ""))
        stats = self.stats[operation.name]
        running = CALLS_RUNNING.labels(self._service)
        running.inc()
        started = time.perf_counter_ns()
        outcome = "ok"
        try:
            with server_span(operation.name, headers):
                seconds = _seconds(headers.get(TIMEOUT_MS, ""), operation.deadline)
                try:
                    async with asyncio.timeout(seconds):
                        answer = await self._answer(endpoint, decoder, message, headers)
                except TimeoutError as error:
                    raise DeadlineExceeded from error
                if message.reply:  # not respond(): it would echo the headers of the request
                    await self._client.publish(message.reply, answer)
        except LoyaltyError as error:
            outcome = error.code
            if isinstance(error, NotVouchedFor):
                log.warning("%s: a call that nobody vouches for", operation.name)
            await self._refuse(message, error)
        except Exception:
            outcome = InternalError.code
            log.exception("%s failed", operation.name)
            await self._refuse(message, InternalError())
        finally:
            elapsed = time.perf_counter_ns() - started
            running.dec()
            stats.requests += 1
            stats.errors += outcome != "ok"
            stats.processing_ns += elapsed
            CALLS.labels(operation.name, outcome).inc()
            CALL_SECONDS.labels(operation.name).observe(elapsed / 1e9)

    async def _answer(
        self,
        endpoint: Endpoint,
        decoder: msgspec.json.Decoder[Request],
        message: Msg,
        headers: dict[str, str],
    ) -> bytes:
        who, key = headers.get(CALLER, ""), headers.get(IDEMPOTENCY_KEY, "")
        caller = _decode_caller(who)
        self._vouching.check(
            headers.get(SIGNATURE, ""), endpoint.operation.subject, who, key, message.data
        )
        check_permission(endpoint.operation, caller)
        request = decode_request(decoder, message.data)
        shop = caller.merchant_id
        try:
            with nullcontext() if shop is None else within((shop,)):
                answer = await endpoint.handle(caller, request, key)
        except NoShop as error:
            if shop is not None:
                raise
            log.warning("%s was asked by a caller without a shop", endpoint.operation.name)
            raise Forbidden("The caller belongs to no shop.") from error
        return _encode(answer)

    async def _refuse(self, message: Msg, error: LoyaltyError) -> None:
        if message.reply:
            await self._client.publish(
                message.reply, errors.to_bytes(error), headers={ERROR: error.code}
            )


_encode: Final = msgspec.json.Encoder().encode
_caller_decoder: Final = msgspec.json.Decoder(Caller)
_NUL: Final = "\\u0000"
_NOBODY: Final = "The call carries no identity."


def _decode_caller(raw: str) -> Caller:
    """Raises Unauthenticated for what names nobody, or somebody who could not be written down."""
    try:
        if _NUL in raw:
            raise Unauthenticated(_NOBODY)
        return _caller_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unauthenticated(_NOBODY) from error


def _seconds(milliseconds: str, usual: float) -> float:
    """How long the caller waits; as usual where it says nothing, or nothing that makes sense."""
    if milliseconds.isascii() and 0 < len(milliseconds) < 10 and milliseconds.isdigit():
        return int(milliseconds) / 1000
    return usual
