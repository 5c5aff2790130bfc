"""Taking messages from a pull consumer: it never hangs and needs no round trip for each batch.

A request stays open at the server and is renewed before it runs dry. The server's heartbeats tell
that it still knows of the request; when they stop (it was restarted, say), a new one is made.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from adapters.nats.connection import QuickClient
from adapters.nats.packs import count_of

_EXPIRES: Final = 10.0
_HEARTBEAT: Final = 1.0
_NANOSECONDS: Final = 1_000_000_000
_MOST_BYTES: Final = 4 * 1024 * 1024
"""What a request brings at most, since a message may be of many events."""
_HELD_BATCHES: Final = 2
"""Nothing more is asked for while so much waits here: it has to be worked off before the server
takes it for lost and hands it out again."""
_FILL_SECONDS: Final = 0.02
"""How long to wait for what the server has ready."""
_BUSY_PER_SECOND: Final = 500
"""Events, from which on it is worth waiting for more of them."""
_PACE_SECONDS: Final = 0.5
"""Over how long that is reckoned at least; a handful that comes at once is no crowd."""
_LINGER_SECONDS: Final = 0.25
_LULL_SECONDS: Final = 0.1
"""When nothing has come for so long, whoever tells of things in batches has told this one."""
_STATUS: Final = "Status"
_NOBODY_LISTENS: Final = "503"
_LEFT: Final = "Nats-Pending-Messages"


class Pace:
    """Whether so many events are being handed out that it is worth waiting for more of them."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since = monotonic()
        self._events = 0
        self._was_busy = False

    @property
    def is_busy(self) -> bool:
        # What was a crowd when something was taken last may be long gone.
        return self._was_busy and self._monotonic() - self._since < 2 * _PACE_SECONDS

    def count(self, events: int) -> None:
        self._events += events
        now = self._monotonic()
        passed = now - self._since
        if passed >= _PACE_SECONDS:
            self._was_busy = self._events > _BUSY_PER_SECOND * passed
            self._since, self._events = now, 0


class Puller:
    """Messages of one durable consumer, in this process."""

    def __init__(self, client: QuickClient, stream: str, durable: str, batch: int) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._batch = batch
        self._inbox = client.new_inbox()
        self._numbers = itertools.count()
        self._request = msgspec.json.encode(
            {
                "batch": batch,
                "max_bytes": _MOST_BYTES,
                "expires": int(_EXPIRES * _NANOSECONDS),
                "idle_heartbeat": int(_HEARTBEAT * _NANOSECONDS),
            }
        )
        self._buffer: deque[tuple[Msg, int]] = deque()  # each with how many events it holds
        self._held = 0  # events in the buffer
        self._expected = 0  # messages that open requests may still bring
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()  # while a whole batch waits, and once nobody is to wait
        self.is_unknown = False
        """Whether the server knew no such consumer when it was asked last: it was lost, or the
        server is starting."""
        self._last_sign = 0.0
        self._pace = Pace()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        self._subscription = await self._client.hand_over(f"{self._inbox}.*", self._receive)

    async def stop(self) -> list[Msg]:
        """Take no more. Returns what was fetched and not handed out, to be given back."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        left = list(self.waiting)
        self._buffer.clear()
        self._held = 0
        return left

    @property
    def waiting(self) -> tuple[Msg, ...]:
        """What was fetched and not handed out yet."""
        return tuple(message for message, _ in self._buffer)

    def wake(self) -> None:
        """Let ``take`` answer now, with whatever there is, and nobody wait for more."""
        self._arrived.set()
        self._full.set()

    def _receive(self, message: Msg) -> None:
        self._last_sign = time.monotonic()
        if message.headers is not None and not message.data and _STATUS in message.headers:
            status = message.headers[_STATUS]
            if status == "100":  # a heartbeat
                return
            self.is_unknown = status == _NOBODY_LISTENS
            # The request ended: expired, the consumer is gone, or the server is going down.
            left = message.headers.get(_LEFT)
            self._expected = max(0, self._expected - int(left)) if left else 0
            self._arrived.set()
            return
        self._expected = max(0, self._expected - 1)
        count = count_of(message)
        self._buffer.append((message, count))
        self._held += count
        self._arrived.set()
        if self._held >= self._batch:
            self._full.set()

    async def take(self) -> list[Msg]:
        """Everything that is there, up to a batch of events, which the last message may exceed;
        waits for at least one message, for a second or two at most (an empty answer means: nothing
        yet, ask again)."""
        await self._keep_asking()
        if not self._buffer:
            self._arrived.clear()
            try:
                async with asyncio.timeout(2 * _HEARTBEAT):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        await self._fill()
        taken: list[Msg] = []
        events = 0
        while self._buffer and events < self._batch:
            message, count = self._buffer.popleft()
            taken.append(message)
            events += count
        self._pace.count(events)
        self._held -= events
        if self._held < self._batch:
            self._full.clear()
        if events >= self._batch:
            # Work goes on without waiting anywhere; let others have their turn.
            await asyncio.sleep(0)
        return taken

    async def _fill(self) -> None:
        """Wait a little for more of what is on its way: a batch costs what it costs, whether few
        events share it or many, and the busier it is, the more that counts."""
        if not self._buffer:  # a request has ended
            return
        if self._pace.is_busy:
            await self._linger()
        elif self._expected and _more_after(self._buffer[-1][0]):
            await self._until_full(_FILL_SECONDS)

    async def _linger(self) -> None:
        ends = time.monotonic() + _LINGER_SECONDS
        held = 0
        while held < self._held < self._batch and (left := ends - time.monotonic()) > 0:
            held = self._held
            await self._until_full(min(_LULL_SECONDS, left))

    async def _until_full(self, seconds: float) -> None:
        if self._held < self._batch:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._full.wait()

    async def _keep_asking(self) -> None:
        now = time.monotonic()
        if self._expected and now - self._last_sign > 3 * _HEARTBEAT:
            self._expected = 0  # the server has forgotten us
        if self._held > _HELD_BATCHES * self._batch:
            return
        if self._expected < self._batch // 2 and self._client.is_connected:
            self._expected += self._batch
            self.is_unknown = False
            self._last_sign = now
            await self._client.publish(
                self._subject, self._request, reply=f"{self._inbox}.{next(self._numbers)}"
            )


def _more_after(message: Msg) -> bool:
    """Whether the consumer had more when it was handed this message: its reply subject ends with
    how many."""
    return not message.reply.endswith(".0")
