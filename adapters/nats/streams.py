"""The streams of the mesh, made or adjusted when a process starts."""

from collections.abc import Sequence
from typing import Final

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

DAY: Final = 24 * 3600.0

WEBHOOKS: Final = "WEBHOOKS"
EVENTS: Final = "EVENTS"
TASKS: Final = "TASKS"
DEAD: Final = "DEAD"

RETENTION_SECONDS: Final = 7 * DAY
"""How long webhooks and events stay in their stream; an inbox must remember longer than this."""

DEDUP_SECONDS: Final = 120.0
"""JetStream drops a repeated message id within this window; the inbox catches later repeats."""


def _streams(replicas: int) -> Sequence[StreamConfig]:
    def stream(name: str, subject: str, age: float, retention: RetentionPolicy) -> StreamConfig:
        return StreamConfig(
            name=name,
            subjects=[subject],
            retention=retention,
            storage=StorageType.FILE,
            # A full stream refuses new messages: the edge answers 503 and Shopify keeps them.
            # Dropping the oldest would lose what was acknowledged.
            discard=DiscardPolicy.NEW,
            max_age=age,
            duplicate_window=DEDUP_SECONDS,
            num_replicas=replicas,
        )

    limits = RetentionPolicy.LIMITS
    return (
        stream(WEBHOOKS, "shop.>", RETENTION_SECONDS, limits),
        stream(EVENTS, "evt.>", RETENTION_SECONDS, limits),
        stream(TASKS, "task.>", 30 * DAY, RetentionPolicy.WORK_QUEUE),
        stream(DEAD, "dead.>", 90 * DAY, limits),
    )


async def ensure_streams(js: JetStreamContext, replicas: int = 1) -> None:
    """Make what is missing. Safe when several processes start at once."""
    for config in _streams(replicas):
        try:
            await js.stream_info(str(config.name))
        except NotFoundError:
            try:
                await js.add_stream(config)
            except BadRequestError:
                # Somebody else made it in between, another version of this perhaps: theirs it is,
                # as it would have been a moment later.
                await js.stream_info(str(config.name))
