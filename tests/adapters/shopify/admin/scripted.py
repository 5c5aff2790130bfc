"""A shop's admin that answers what a test tells it to, down to connections that break."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from adapters.shopify.admin.access import ShopAccess
from adapters.shopify.admin.client import AdminClient
from adapters.shopify.admin.exchange import Exchange
from adapters.shopify.reach import Reach
from adapters.system import SystemClock
from contracts.caller import Caller
from contracts.installs import GET_SHOPIFY_ACCESS, GetShopifyAccess, ShopifyAccess
from contracts.kit import Operation, Request
from ports.shopify_limits import Lane, Level

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)

SHOP: Final = "one.myshopify.com"
MERCHANT: Final = UUID(int=7)


@dataclass(frozen=True)
class Said:
    """What goes over the wire: ``body`` as JSON, or as it is when it is bytes."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hangs:
    """Nothing is said."""


@dataclass(frozen=True)
class Breaks:
    """The connection breaks after the question was read, ``after`` so many bytes of an answer."""

    after: bytes = b""


Reply = Said | Hangs | Breaks


@dataclass
class Asked:
    query: str
    variables: dict[str, Any]
    token: str
    path: str

    @property
    def name(self) -> str:
        return self.query.split(None, 1)[1].split("(", 1)[0].split(None, 1)[0]


class Scripted:
    """Answers with ``replies``, one for each question in turn; then with ``otherwise``."""

    def __init__(self) -> None:
        self.replies: deque[Reply | Callable[[Asked], Reply]] = deque()
        self.otherwise: Callable[[Asked], Reply] = lambda _: Said({}, 599)
        self.asked: list[Asked] = []
        self.base = ""
        self._busy: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._busy.discard(task)

    def stop(self) -> None:
        for task in self._busy:
            task.cancel()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = msgspec.json.decode(await reader.readexactly(int(headers["content-length"])))
        asked = Asked(
            body["query"], body["variables"], headers["x-shopify-access-token"], first.split()[1]
        )
        self.asked.append(asked)
        reply = self.replies.popleft() if self.replies else self.otherwise
        if callable(reply):
            reply = reply(asked)
        match reply:
            case Hangs():
                await asyncio.Event().wait()
            case Breaks(after=after):
                writer.write(after)
                await writer.drain()
                return False
            case Said(body=told, status=status, headers=more):
                payload = told if isinstance(told, bytes) else msgspec.json.encode(told)
                lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(payload)}"]
                lines += [f"{name}: {value}" for name, value in more.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
                await writer.drain()
        return True


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    shop = Scripted()
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0)
    shop.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{{shop}}"
    try:
        yield shop
    finally:
        server.close()
        shop.stop()


class Auth:
    """What auth answers to whoever asks for access: token after token, or an error."""

    def __init__(self) -> None:
        self.version = 1
        self.token = ""  # instead of one for each version
        self.lives = timedelta(hours=1)
        self.error: Exception | None = None
        self.calls: list[GetShopifyAccess] = []

    async def call(
        self,
        operation: Operation[Request, AnswerT],
        request: Request,
        caller: Caller,
        *,
        idempotency_key: str = "",
        deadline: float | None = None,
    ) -> AnswerT:
        assert (operation.name, caller.tenant) == (GET_SHOPIFY_ACCESS.name, MERCHANT)
        assert isinstance(request, GetShopifyAccess)
        assert (idempotency_key, deadline) == ("", None)
        self.calls.append(request)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.version = max(self.version, request.refused_version + 1)
        answer = ShopifyAccess(
            shop_domain=SHOP,
            access_token=self.token or f"shpat_{self.version}",
            expires_at=datetime.now(UTC) + self.lives,
            scopes=(),
            version=self.version,
        )
        assert isinstance(answer, operation.response)
        return answer


class Unlimited:
    """Limits that are never reached, and what they were told."""

    def __init__(self) -> None:
        self.settled: list[tuple[float, float, Level | None]] = []

    async def take(self, merchant_id: UUID, cost: float, lane: Lane) -> float:
        return 0

    async def settle(
        self, merchant_id: UUID, taken: float, cost: float, told: Level | None
    ) -> None:
        self.settled.append((taken, cost, told))


@asynccontextmanager
async def client_of(
    base: str, auth: Auth, limits: Unlimited | None = None
) -> AsyncIterator[AdminClient]:
    client = AdminClient(
        ShopAccess(auth, "points", SystemClock()),
        Exchange(Reach(base)),
        limits or Unlimited(),
        part=lambda: 0.0,
    )
    try:
        yield client
    finally:
        await client.close()


def answered(data: Any, *, available: float = 1990, actual: float = 10) -> Said:
    cost = {
        "requestedQueryCost": 10,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": 2000,
            "currentlyAvailable": available,
            "restoreRate": 100,
        },
    }
    return Said({"data": data, "extensions": {"cost": cost}})


def failed(code: str, data: Any = None, **throttle: float) -> Said:
    said: dict[str, Any] = {"errors": [{"message": "no", "extensions": {"code": code}}]}
    if data is not None:
        said["data"] = data
    if throttle:
        said["extensions"] = {"cost": {"requestedQueryCost": 10, "throttleStatus": throttle}}
    return Said(said)
