"""Dead letters: events that could not be applied, kept whole with the reason until somebody decides."""

from typing import Final

from nats.aio.msg import Msg

from adapters.nats.connection import AT, EVENT_ID, MESSAGE_ID, TRACE
from adapters.nats.publisher import Publisher

SUBJECT: Final = "LN-Dead-Subject"
CONSUMER: Final = "LN-Dead-Consumer"
REASON: Final = "LN-Dead-Reason"
TRIES: Final = "LN-Dead-Tries"


async def dead_letter(
    publisher: Publisher, message: Msg, service: str, consumer: str, reason: str
) -> None:
    """Store ``message`` under ``dead.<service>.<merchant id>``. Raises Unavailable if that fails."""
    headers = message.headers or {}
    event_id = headers.get(EVENT_ID) or headers.get(MESSAGE_ID, "")
    metadata = message.metadata
    await publisher.publish(
        f"dead.{service}.{message.subject.rpartition('.')[2]}",
        message.data,
        {
            MESSAGE_ID: f"{consumer}:{metadata.sequence.stream}:{event_id}",
            EVENT_ID: event_id,
            SUBJECT: message.subject,
            CONSUMER: consumer,
            REASON: reason,
            TRIES: str(metadata.num_delivered or 1),
            AT: headers.get(AT, ""),
            TRACE: headers.get(TRACE, ""),
        },
    )


async def replay(publisher: Publisher, subject: str, payload: bytes, event_id: str, key: str) -> None:
    """Send an event again to all who listen. It keeps its id, so whoever has applied it before
    ignores it; the message id is new (made of ``key``), or the stream would drop it as a repeat."""
    await publisher.publish(
        subject, payload, {MESSAGE_ID: f"replay:{key}:{event_id}", EVENT_ID: event_id}
    )
