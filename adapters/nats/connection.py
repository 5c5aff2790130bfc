"""One connection to NATS that never gives up, and the names of the headers we put on messages."""

import logging
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError
from nats.protocol.parser import PERMISSIONS_ERR

log = logging.getLogger(__name__)

CALLER: Final = "LN-Caller"
SIGNATURE: Final = "LN-Signature"
"""By whoever vouches for the caller (``adapters.nats.vouching``)."""
TIMEOUT_MS: Final = "LN-Timeout-Ms"
IDEMPOTENCY_KEY: Final = "LN-Idempotency-Key"
ERROR: Final = "LN-Error"
REQUEST: Final = "LN-Request"
"""The id of the web request that led to a call."""
AT: Final = "LN-At"
ACTOR: Final = "LN-Actor"
EVENT_ID: Final = "LN-Id"
"""The id of an event when it is not the message id: a replay needs a message id of its own."""
ONLY_FOR: Final = "LN-Only-For"
"""The consumer a replay is meant for. Inboxes forget sooner than dead letters are kept, so the
others could not be trusted to know that they have applied the event before."""
PACKED: Final = "LN-Packed"
"""How many events are in a message, where it may be more than one (``adapters.nats.packs``)."""
MESSAGE_ID: Final = "Nats-Msg-Id"
TRACE: Final = "traceparent"


_PLAIN: Final = b"NATS/1.0\r\n"
"""How a header block begins that carries no status."""


class QuickClient(Client):
    """nats-py's client with shorter ways for what happens to every single event: reading headers,
    handing over a message, acknowledging. Together they were a third of a consumer's work.

    These reach into nats-py (the lock pins it), and ``tests/adapters/nats`` holds them to what
    the long ways do.
    """

    def __init__(self) -> None:
        super().__init__()
        self._receivers: dict[int, Callable[[Msg], None]] = {}

    async def hand_over(self, subject: str, receive: Callable[[Msg], None]) -> Subscription:
        """Subscribe; ``receive`` is called right where a message is read, without a queue and a
        task between, so it must be quick and must not raise."""
        subscription = await self.subscribe(subject, cb=_unused)
        self._receivers[subscription._id] = receive
        return subscription

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        """Acknowledge many JetStream messages with one write."""
        if self.is_closed:
            raise ConnectionClosedError
        await self._send_command(
            b"".join([b"PUB %b  0\r\n\r\n" % message.reply.encode() for message in messages])
        )
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        receive = self._receivers.get(sid)
        if receive is None:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]  # None is what the parser passes
            return
        if sid not in self._subs:  # unsubscribed; nats-py drops such messages too
            del self._receivers[sid]
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        if headers is None:
            parsed = None
        elif headers.startswith(_PLAIN):
            parsed = self._parse_header_lines(headers[len(_PLAIN) :])
        else:
            parsed = await self._process_headers(headers)
        receive(
            Msg(
                _client=self,
                subject=subject.decode(),
                reply=reply.decode(),
                data=data,
                headers=parsed,
                _sid=sid,
            )
        )

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        try:
            text = raw.decode("ascii")
        except UnicodeDecodeError:
            return Client._parse_header_lines(raw)
        headers = {}
        for line in text.split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name] = value.strip()
        return headers


async def _unused(_: Msg) -> None:
    """What nats-py wants for a subscription; ``hand_over`` takes its messages before."""


async def connect(url: str, name: str) -> QuickClient:
    """Connect, retrying for ever in the background after the first success.

    Raises ``nats.errors.Error`` or OSError when the first attempt fails.
    """
    parts = urlsplit(url)

    client = QuickClient()

    async def disconnected() -> None:
        if not client.is_closed:  # closing is no loss
            log.warning("lost the connection to NATS, reconnecting")

    async def reconnected() -> None:
        log.info("connected to NATS again")

    async def failed(error: Exception) -> None:
        if PERMISSIONS_ERR in str(error):
            # Whoever waits for an answer will only see that none comes.
            log.error("NATS does not let %s do that: %s", parts.username, error)
            return
        # The client reports every failed attempt; the two lines above say what matters.
        log.debug("NATS client: %s", type(error).__name__)

    # The password is passed apart from the address, so that no error text of the client holds it.
    await client.connect(
        f"nats://{parts.hostname}:{parts.port or 4222}",
        user=parts.username,
        password=parts.password,
        name=name,
        # A user listens to its own inboxes only (infra/mesh/permissions.py).
        inbox_prefix=f"_INBOX.{parts.username}" if parts.username else "_INBOX",
        max_reconnect_attempts=-1,  # the default gives up for good after 60
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # slept as it is: any number does
        connect_timeout=2,
        ping_interval=10,
        max_outstanding_pings=2,
        pending_size=16 * 1024 * 1024,
        flusher_queue_size=16384,
        disconnected_cb=disconnected,
        reconnected_cb=reconnected,
        error_cb=failed,
    )
    return client
