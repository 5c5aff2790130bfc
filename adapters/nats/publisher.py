"""Durable publishing: many messages in flight, each one's acknowledgement awaited."""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from adapters.nats.connection import QuickClient
from domain.errors import Unavailable

log = logging.getLogger(__name__)


class _Ack(msgspec.Struct):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: dict[str, str | int] | None = None


_decode_ack = msgspec.json.Decoder(_Ack).decode
UNCONFIRMED: Final = "The event store did not confirm in time."
_HEADERS: Final = 4096
"""Bytes, more than the headers of a message ever take. NATS counts them too, and hangs up on who
sends more than it takes."""


class TooLarge(Unavailable):
    """No message can hold this, as long as NATS takes no larger ones (``max_payload``)."""

    title = "This is larger than what the event store takes."


class Publisher:
    """Publishes to JetStream and waits until the stream has stored the message.

    ``nats-py``'s own ``publish_async`` spends more on its semaphore and its futures have no
    timeout; this one keeps a single reply subject and a table of what is awaited.
    """

    def __init__(self, client: QuickClient) -> None:
        self._client = client
        self._prefix = client.new_inbox()
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[_Ack]] = {}

    async def start(self) -> None:
        await self._client.hand_over(f"{self._prefix}.*", self._answered)

    def _answered(self, message: Msg) -> None:
        future = self._waiting.pop(message.subject, None)
        if future is None or future.done():
            return
        if not message.data:  # 503: no stream listens on the subject
            future.set_exception(Unavailable("The event store is not available."))
            return
        try:
            ack = _decode_ack(message.data)
        except msgspec.MsgspecError:
            future.set_exception(Unavailable("The event store gave no answer that can be read."))
            return
        if ack.error is not None:
            log.error("the event store refused a message: %s", ack.error.get("description"))
            future.set_exception(Unavailable("The event store refused the message."))
        else:
            future.set_result(ack)

    async def publish(
        self, subject: str, payload: bytes, headers: dict[str, str], seconds: float = 4.0
    ) -> bool:
        """Store one message. Returns False when the stream already had this message id.

        Raises Unavailable when the acknowledgement does not come within ``seconds``; the message
        may be stored nevertheless, so a repeat must carry the same message id. Raises TooLarge for
        what has not even been sent.
        """
        if len(payload) > self._most:
            raise TooLarge
        reply = f"{self._prefix}.{next(self._numbers)}"
        future: asyncio.Future[_Ack] = asyncio.get_running_loop().create_future()
        self._waiting[reply] = future
        try:
            async with asyncio.timeout(seconds):
                await self._client.publish(subject, payload, reply=reply, headers=headers)
                return not (await future).duplicate
        except (TimeoutError, NatsError) as error:
            raise Unavailable(UNCONFIRMED) from error
        finally:
            self._waiting.pop(reply, None)

    @property
    def _most(self) -> int:
        """Bytes of a payload that NATS takes. After a restart it may be another number."""
        return self._client.max_payload - _HEADERS

    async def publish_all(
        self, messages: Sequence[tuple[str, bytes, dict[str, str]]], seconds: float = 4.0
    ) -> list[bool | Unavailable]:
        """Store many, as (subject, payload, headers), all in flight at once.

        Each gets its own result: True, False for a repeat, or why it may not be stored.
        """
        replies: list[str] = []
        futures: list[asyncio.Future[_Ack]] = []
        new_future = asyncio.get_running_loop().create_future
        most = self._most
        try:
            async with asyncio.timeout(seconds):
                for subject, payload, headers in messages:
                    future = new_future()
                    futures.append(future)
                    if len(payload) > most:
                        future.set_exception(TooLarge())
                        continue
                    reply = f"{self._prefix}.{next(self._numbers)}"
                    replies.append(reply)
                    self._waiting[reply] = future
                    await self._client.publish(subject, payload, reply=reply, headers=headers)
                for future in futures:
                    with suppress(Unavailable):  # told below, message by message
                        await future
        except (TimeoutError, NatsError):
            pass  # likewise
        finally:
            for reply in replies:
                self._waiting.pop(reply, None)
        return [_outcome(future) for future in futures] + [
            Unavailable(UNCONFIRMED) for _ in range(len(messages) - len(futures))
        ]


def _outcome(future: asyncio.Future[_Ack]) -> bool | Unavailable:
    if not future.done() or future.cancelled():
        return Unavailable(UNCONFIRMED)
    error = future.exception()
    if error is None:
        return not future.result().duplicate
    return error if isinstance(error, Unavailable) else Unavailable()
