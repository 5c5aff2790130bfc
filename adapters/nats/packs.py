"""Several events in one message. Most of what an event costs between services is its message: put
into a stream, handed to each consumer, taken apart and acknowledged.

A message without ``PACKED`` is one event, its body the event's own. One with it is an array of
events of one topic, each with its id, its subject and what else headers would say. Nobody waits for
company: only what is said at once, or while others are on their way, travels together.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from adapters.nats.connection import ACTOR, AT, EVENT_ID, MESSAGE_ID, PACKED, TRACE
from ports.events import Outgoing

MANY: Final = "many"
"""Stands in a subject for the shop where events of several may be in one message."""
MOST_EVENTS: Final = 64
MOST_BYTES: Final = 256 * 1024
"""Of all events in a pack; one that is larger goes by itself. NATS takes a megabyte."""


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """An event as it travels; ``payload`` is its body as JSON. Also how an outbox keeps it."""

    id: str
    subject: str
    payload: msgspec.Raw
    at: datetime
    trace: str = ""
    actor: str = ""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(tuple[Carried, ...]).decode


class Parcel(msgspec.Struct, frozen=True):
    """A message to be stored, and the ids of the events in it."""

    subject: str
    payload: bytes
    headers: dict[str, str]
    ids: Sequence[str]


def carried(event: Outgoing) -> Carried:
    return Carried(
        event.id, event.subject, msgspec.Raw(event.payload), event.at, event.trace, event.actor
    )


def parcels(events: Iterable[Carried]) -> Iterator[Parcel]:
    """As few messages as hold these events, those of one subject in their order. The same events
    make the same messages, so that a stream knows them again."""
    by_subject: dict[str, list[Carried]] = defaultdict(list)
    for event in events:
        by_subject[event.subject].append(event)
    for subject, found in by_subject.items():
        for part in portions(found):
            yield parcel(subject, part)


def portions(events: Iterable[Carried]) -> Iterator[Sequence[Carried]]:
    """What fits into one message each."""
    part: list[Carried] = []
    size = 0
    for event in events:
        own = len(memoryview(event.payload))
        if part and (len(part) == MOST_EVENTS or size + own > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(event)
        size += own
    if part:
        yield part


def parcel(subject: str, events: Sequence[Carried]) -> Parcel:
    """One message for what fits into one; a single event goes as it is, on its own subject."""
    ids = [event.id for event in events]
    if len(events) == 1:
        (event,) = events
        headers = {MESSAGE_ID: event.id, AT: event.at.isoformat()}
        if event.trace:
            headers[TRACE] = event.trace
        if event.actor:
            headers[ACTOR] = event.actor
        return Parcel(event.subject, bytes(event.payload), headers, ids)
    digest = blake2b("\n".join(ids).encode(), digest_size=16).hexdigest()
    headers = {MESSAGE_ID: f"pack:{digest}", PACKED: str(len(events))}
    return Parcel(subject, _encode(events), headers, ids)


def count_of(message: Msg) -> int:
    """How many events a message says it holds."""
    count = message.headers.get(PACKED) if message.headers else None
    return int(count) if count and count.isdecimal() else 1


def unpacked(message: Msg | RawStreamMsg) -> Sequence[Carried]:
    """The events of a message.

    Raises ``msgspec.MsgspecError``, ValueError or KeyError for what is none of ours.
    """
    headers = message.headers or {}
    return _decode(message.data or b"") if PACKED in headers else (single(message),)


def single(message: Msg | RawStreamMsg) -> Carried:
    """A message as the one event that it is.

    Raises KeyError or ValueError for headers that are not ours.
    """
    headers = message.headers or {}
    at = headers.get(AT)
    return Carried(
        headers.get(EVENT_ID) or headers[MESSAGE_ID],
        message.subject or "",
        msgspec.Raw(message.data or b""),
        datetime.fromisoformat(at) if at else datetime.now(UTC),
        headers.get(TRACE, ""),
        headers.get(ACTOR, ""),
    )


def as_it_came(message: Msg) -> Carried:
    """A message of a stream that cannot be read, as if it were one event."""
    headers = message.headers or {}
    return Carried(
        headers.get(EVENT_ID) or headers.get(MESSAGE_ID, ""),
        message.subject,
        msgspec.Raw(message.data),
        message.metadata.timestamp,
        headers.get(TRACE, ""),
    )
