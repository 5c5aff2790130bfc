"""``/api/points/stream``: a shop's events live over a WebSocket, per tenant, with back-pressure.

Whoever was cut off says which event came last (``?after=``) and gets what has passed since.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from litestar import WebSocket
from litestar.handlers import WebsocketRouteHandler

from adapters.tasks import end_all
from adapters.telemetry.metrics import STREAM_LISTENERS
from contracts.caller import Audience, Caller
from contracts.streams import GAP, OPEN, POINTS, PROTOCOL, StreamOpen
from domain.errors import LoyaltyError, Unauthenticated
from domain.rbac import allows
from ports.tokens import Claims

MOST_WAITING: Final = 500
"""Events kept for a listener that is slower than its shop; older ones are dropped and counted. As
many are sent again to one that comes back."""

ALLOWED_SECONDS: Final = 1.0
"""How often it is asked whether whoever listens still may. A role that was taken away, or a session
that was ended, counts within two seconds everywhere; a request asks anew, a listener has to be."""

MOST_SAID: Final = 4_096
"""Characters that a listener may send in all the time it listens."""

_UNAUTHENTICATED: Final = 4401
_FORBIDDEN: Final = 4403
_TRY_AGAIN_LATER: Final = 1013
_TOO_MUCH: Final = 1009


class _Refused(Exception):
    """With which code, and why, a listener is sent away."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Passed(Protocol):
    @property
    def event_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def payload(self) -> bytes: ...


class Live(Protocol):
    async def add(self, merchant_id: UUID, listener: Callable[[Passed], None]) -> None: ...
    async def remove(self, merchant_id: UUID, listener: Callable[[Passed], None]) -> None: ...
    async def since(
        self, merchant_id: UUID, event_id: UUID, most: int
    ) -> Sequence[Passed] | None: ...


CallerOfToken = Callable[[str], Awaitable[tuple[Caller, Claims]]]


class _Owner(msgspec.Struct):
    customer_id: str = ""


class _Message(msgspec.Struct, omit_defaults=True):
    event: str
    data: msgspec.Raw
    id: str = ""


_encode: Final = msgspec.json.Encoder().encode
_owner: Final = msgspec.json.Decoder(_Owner).decode


class _Listener:
    """What waits to be sent to one WebSocket."""

    def __init__(self, caller: Caller) -> None:
        self._only = str(caller.customer_id) if caller.audience is Audience.CUSTOMER else ""
        self._waiting: deque[Passed] = deque()
        self._missed = 0
        self._something = asyncio.Event()

    def __call__(self, passed: Passed) -> None:
        if not self._is_for_them(passed):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(passed)
        self._something.set()

    def catch_up(self, missed: Sequence[Passed]) -> None:
        """Send what has passed before; what has come in meanwhile may be among it."""
        again = {each.event_id for each in missed}
        since = [each for each in self._waiting if each.event_id not in again]
        self._waiting = deque([*filter(self._is_for_them, missed), *since])
        self._something.set()

    def _is_for_them(self, passed: Passed) -> bool:
        """A member sees their own account only."""
        return not self._only or _owner(passed.payload).customer_id == self._only

    async def next(self) -> bytes:
        """What is to be sent next; a gap is told before what comes after it."""
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return _encode(_Message(GAP, msgspec.Raw(_encode({"missed": missed}))))
        passed = self._waiting.popleft()
        return _encode(_Message(passed.name, msgspec.Raw(passed.payload), passed.event_id))


def stream_route(caller_of: CallerOfToken, live: Live) -> WebsocketRouteHandler:
    async def handle(socket: WebSocket[Any, Any, Any]) -> None:
        offered = [
            each.strip() for each in socket.headers.get("sec-websocket-protocol", "").split(",")
        ]
        token = offered[1] if len(offered) == 2 and offered[0] == PROTOCOL else ""
        await socket.accept(subprotocols=PROTOCOL if token else None)
        try:
            caller, merchant_id, expires_at = await _admitted(caller_of, token)
        except _Refused as refused:
            await socket.close(code=refused.code, reason=refused.reason)
            return
        listener = _Listener(caller)
        await live.add(merchant_id, listener)
        STREAM_LISTENERS.inc()
        try:
            resumed = await _resume(live, merchant_id, listener, socket.query_params.get("after"))
            opened = msgspec.Raw(_encode(StreamOpen(resumed=resumed)))
            await socket.send_text(_encode(_Message(OPEN, opened)).decode())
            await _serve(socket, listener, expires_at, caller_of, token)
        finally:
            STREAM_LISTENERS.dec()
            await live.remove(merchant_id, listener)

    return WebsocketRouteHandler(path=POINTS.path)(handle)


async def _resume(live: Live, merchant_id: UUID, listener: _Listener, after: str | None) -> bool:
    """Whether everything that has passed since is on its way."""
    try:
        last = UUID(after or "")
    except ValueError:
        return False
    missed = await live.since(merchant_id, last, MOST_WAITING)
    if missed is None:
        return False
    listener.catch_up(missed)
    return True


async def _admitted(caller_of: CallerOfToken, token: str) -> tuple[Caller, UUID, datetime]:
    """Who listens, to which shop, until when at most. Raises _Refused."""
    try:
        caller, claims = await caller_of(token)
    except Unauthenticated as error:
        raise _Refused(_UNAUTHENTICATED, error.code) from error
    except LoyaltyError as error:
        raise _Refused(_TRY_AGAIN_LATER, error.code) from error
    if not allows(frozenset(caller.permissions), POINTS.permission) or caller.merchant_id is None:
        raise _Refused(_FORBIDDEN, "FORBIDDEN")
    return caller, caller.merchant_id, claims.expires_at


async def _until_refused(caller_of: CallerOfToken, token: str) -> _Refused:
    while True:
        await asyncio.sleep(ALLOWED_SECONDS)
        try:
            await _admitted(caller_of, token)
        except _Refused as refused:
            return refused


async def _serve(
    socket: WebSocket[Any, Any, Any],
    listener: _Listener,
    expires_at: datetime,
    caller_of: CallerOfToken,
    token: str,
) -> None:
    """Until the other side leaves, its token is over, or it is refused."""
    endings: set[asyncio.Task[_Refused | None]] = {
        asyncio.create_task(_until_refused(caller_of, token)),
        asyncio.create_task(_until_closed(socket)),
    }
    tasks = {asyncio.create_task(_send(socket, listener)), *endings}
    left = max(0.0, (expires_at - datetime.now(UTC)).total_seconds())
    done, _ = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    await end_all(tasks)
    if not done:
        await socket.close(code=_UNAUTHENTICATED, reason="TOKEN_EXPIRED")
    for refused in (each.result() for each in endings & done):
        if refused is not None:
            await socket.close(code=refused.code, reason=refused.reason)
            return


async def _send(socket: WebSocket[Any, Any, Any], listener: _Listener) -> None:
    while True:
        await socket.send_text((await listener.next()).decode())


async def _until_closed(socket: WebSocket[Any, Any, Any]) -> _Refused | None:
    """Until the other side leaves, or has said more than a listener needs to: nothing is expected
    of them, but for what keeps a connection open on its way."""
    said = 0
    while True:
        message: Any = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        said += len(message.get("text") or message.get("bytes") or b"")
        if said > MOST_SAID:
            return _Refused(_TOO_MUCH, "TOO_MUCH_SAID")
