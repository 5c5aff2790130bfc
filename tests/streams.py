"""Reading what a stream holds, event by event, whatever messages they came in."""

from collections.abc import AsyncIterator

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from adapters.nats.packs import Carried, unpacked


async def events_in(js: JetStreamContext, stream: str, subject: str) -> AsyncIterator[Carried]:
    """The events on ``subject``, which may have wildcards, in their order."""
    after = 0
    while True:
        try:
            message = await js.get_msg(stream, seq=after + 1, subject=subject, next=True)
        except NotFoundError:
            return
        after = message.seq or after + 1
        for event in unpacked(message):
            yield event
