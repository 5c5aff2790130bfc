"""Dead letters: events that could not be applied, kept whole with the reason, to be sent again."""

from typing import Final
from uuid import UUID

from nats.aio.msg import Msg

from adapters.nats.connection import AT, EVENT_ID, MESSAGE_ID, ONLY_FOR, TRACE
from adapters.nats.packs import Carried
from adapters.nats.publisher import Publisher
from contracts.kit import Event
from ports.dead_letters import Died, OpenLetter
from ports.events import Received

SUBJECT: Final = "LN-Dead-Subject"
CONSUMER: Final = "LN-Dead-Consumer"
REASON: Final = "LN-Dead-Reason"
TRIES: Final = "LN-Dead-Tries"

LETTERS: Final = Event("*", Died, "mesh", "An event could not be applied.", prefix="dead")
"""Every dead letter, whichever service it comes from; read with ``read_letter``."""


async def dead_letter(
    publisher: Publisher,
    message: Msg,
    event: Carried,
    service: str,
    consumer: str,
    reason: str,
    tries: int,
) -> None:
    """Store an event of ``message`` as ``dead.<service>.<merchant id>``. Raises Unavailable if that
    fails."""
    await publisher.publish(
        f"dead.{service}.{event.subject.rpartition('.')[2]}",
        bytes(event.payload),
        {
            MESSAGE_ID: f"{consumer}:{message.metadata.sequence.stream}:{event.id}",
            EVENT_ID: event.id,
            SUBJECT: event.subject,
            CONSUMER: consumer,
            REASON: reason,
            TRIES: str(tries),
            AT: event.at.isoformat(),
            TRACE: event.trace,
        },
    )


def read_letter(message: Msg) -> Received[Died]:
    """A message of the DEAD stream. Its content stays bytes: it may be why the event died.

    Raises KeyError or ValueError for what ``dead_letter`` did not write.
    """
    headers = message.headers or {}
    tries = headers.get(TRIES, "")
    died = Died(
        subject=headers[SUBJECT],
        event_id=headers.get(EVENT_ID, ""),
        consumer=headers.get(CONSUMER, ""),
        reason=headers.get(REASON, ""),
        tries=int(tries) if tries.isdecimal() else 1,
        said_at=headers.get(AT, ""),
        payload=message.data,
    )
    return Received(
        # Not the event's own id: it may die in several consumers, and again after a replay.
        id=headers[MESSAGE_ID],
        event=LETTERS,
        body=died,
        merchant_id=UUID(message.subject.rpartition(".")[2]),
        at=message.metadata.timestamp,
        trace=headers.get(TRACE, ""),
    )


class NatsReplay:
    """``ports.dead_letters.Replay`` on the stream the event came from."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def __call__(self, letter: OpenLetter) -> None:
        headers = {
            # A message id of its own, or the stream would drop the event as a repeat; the same for
            # the same letter, so that a hasty second replay is dropped.
            MESSAGE_ID: f"replay:{letter.letter_id}",
            # The event keeps its id: a consumer that has applied it in the meantime ignores it.
            EVENT_ID: letter.event_id,
            ONLY_FOR: letter.consumer,
        }
        if letter.said_at:
            headers[AT] = letter.said_at
        if letter.trace:
            headers[TRACE] = letter.trace
        await self._publisher.publish(letter.subject, letter.payload, headers)
