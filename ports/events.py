"""Events as a use case meets them: what came in, and what goes out once the transaction holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from contracts.kit import Body, Event

BodyT = TypeVar("BodyT", bound=Body, covariant=True)


class Received(msgspec.Struct, Generic[BodyT], frozen=True):
    """One event taken from a stream.

    ``id`` is the same for every delivery of the same event; ``at`` is when the publisher said it;
    ``trace`` is the W3C traceparent to continue, empty when nobody traces. ``actor`` is for whom
    it was done, as ``<audience>:<id>``; empty when a service acted by itself.
    """

    id: str
    event: Event[Body]
    body: BodyT
    merchant_id: UUID
    at: datetime
    trace: str = ""
    actor: str = ""


class Outgoing(msgspec.Struct):
    """One event in the outbox, already encoded, waiting for its transaction to commit."""

    id: str
    subject: str
    payload: bytes
    at: datetime
    trace: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """All that one transaction says, in its order."""

    id: UUID
    at: datetime
    events: tuple[Outgoing, ...]
