"""HTTP/1.1 on one kept connection, and only what the sender needs of it: a benchmark is to measure
the edge and not its client."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

LOST: Final = 0
"""Instead of a status: the connection went away before the answer came."""

_LENGTH: Final = b"content-length:"


class Connection(asyncio.Protocol):
    """Carries one request at a time. ``answered`` gets the connection and a status, or LOST."""

    __slots__ = ("_answered", "_buffer", "_transport", "lost", "sent_at")

    def __init__(self, answered: Callable[["Connection", int], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.sent_at = 0.0
        self.lost = asyncio.Event()

    @property
    def open(self) -> bool:
        return self._transport is not None

    def send(self, request: bytes, at: float) -> None:
        """Sends ``request``; ``at`` is the loop's time, kept for time-outs and latency."""
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self.sent_at = at
        self._transport.write(request)

    def close(self) -> None:
        """Ends the connection at once; a request on its way counts as LOST."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A TCP transport; uvloop's is one too, without inheriting asyncio's class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._buffer = b""
        self.lost.set()
        self._answered(self, LOST)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            return
        head = buffer[:end].lower()
        if b"transfer-encoding: chunked" in head:
            whole = buffer.endswith(b"0\r\n\r\n")
        else:
            whole = len(buffer) >= end + 4 + _content_length(head)
        if not whole:
            self._buffer = buffer
            return
        self._buffer = b""
        if b"connection: close" in head:
            self.close()
        self._answered(self, int(buffer[9:12]))


def _content_length(head: bytes) -> int:
    place = head.find(_LENGTH)
    if place < 0:
        return 0
    end = head.find(b"\r", place)
    return int(head[place + len(_LENGTH) : end if end >= 0 else len(head)])
