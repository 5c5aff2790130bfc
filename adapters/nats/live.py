"""Events as they pass, for who is looking at them now, and those of a short while ago."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

from adapters.nats.packs import unpacked
from adapters.nats.streams import EVENTS
from contracts.kit import Body, BodyT, Event
from contracts.streams import POINTS


class Passed(NamedTuple):
    """An event that was said: its id, its name, its body as JSON."""

    event_id: str
    name: str
    payload: bytes


Listener = Callable[[Passed], None]
"""Must not block."""

TOPICS: Final = tuple(f"evt.{area}.*" for area in POINTS.areas)

_SLACK: Final = timedelta(seconds=2)
"""Events come to the stream a little after they get their ids, each from a clock of its own."""
_FETCH_SECONDS: Final = 2.0
_IDLE_SECONDS: Final = 10.0


class LiveEvents:
    """Subscribes to a shop's events while somebody listens, and only then: without listeners the
    gateway has no work with them."""

    def __init__(self, client: Client, js: JetStreamContext) -> None:
        self._client = client
        self._js = js
        self._listeners: dict[UUID, set[Listener]] = {}
        self._subscriptions: dict[UUID, list[Subscription]] = {}

    async def add(self, merchant_id: UUID, listener: Listener) -> None:
        listeners = self._listeners.setdefault(merchant_id, set())
        listeners.add(listener)
        if merchant_id in self._subscriptions:
            return

        async def receive(message: Msg) -> None:
            for passed in _passed(message):
                for each in tuple(listeners):
                    each(passed)

        self._subscriptions[merchant_id] = []
        for topic in TOPICS:
            self._subscriptions[merchant_id].append(
                await self._client.subscribe(f"{topic}.{merchant_id}", cb=receive)
            )

    async def remove(self, merchant_id: UUID, listener: Listener) -> None:
        listeners = self._listeners.get(merchant_id, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(merchant_id, None)
            for subscription in self._subscriptions.pop(merchant_id, []):
                await subscription.unsubscribe()

    async def since(self, merchant_id: UUID, event_id: UUID, most: int) -> Sequence[Passed] | None:
        """The shop's events after this one, oldest first, among them some that may have passed
        just before it. None: the stream does not hold it any more, or more than ``most`` came
        after it, or it cannot be asked now."""
        begin = _said_at(event_id)
        if begin is None:
            return None
        try:
            held = await self._held(merchant_id, begin - _SLACK, most)
        except (nats.errors.Error, APIError, TimeoutError):
            return None
        if not any(each.event_id == str(event_id) for each in held):
            return None
        return [each for each in held if each.event_id != str(event_id)]

    async def _held(self, merchant_id: UUID, begin: datetime, most: int) -> Sequence[Passed]:
        """What the stream holds of a shop from a moment on; nothing where that is too much."""
        subscription = await self._js.pull_subscribe(
            "",
            stream=EVENTS,
            config=ConsumerConfig(
                filter_subjects=[f"{topic}.{merchant_id}" for topic in TOPICS],
                deliver_policy=DeliverPolicy.BY_START_TIME,
                opt_start_time=begin,
                ack_policy=AckPolicy.NONE,
                inactive_threshold=_IDLE_SECONDS,
                mem_storage=True,
            ),
        )
        try:
            waiting = (await subscription.consumer_info()).num_pending or 0
            if not 0 < waiting <= most:
                return ()
            found: list[Passed] = []
            while waiting > 0 and len(found) <= most:
                fetched = await subscription.fetch(waiting, timeout=_FETCH_SECONDS)
                waiting -= len(fetched)
                found += [passed for message in fetched for passed in _passed(message)]
            return found if len(found) <= most else ()
        finally:
            await subscription.unsubscribe()


def _passed(message: Msg) -> Sequence[Passed]:
    name = message.subject.split(".", 1)[1].rpartition(".")[0]
    return [Passed(each.id, name, bytes(each.payload)) for each in unpacked(message)]


def _said_at(event_id: UUID) -> datetime | None:
    """When an id was made; None for one that does not say."""
    if event_id.version != 7:
        return None
    return datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)


async def hear(client: Client, event: Event[BodyT], heard: Callable[[BodyT], None]) -> None:
    """From now on tell ``heard`` of every ``event`` of any shop. Those that pass while the
    connection is away are missed."""
    decode = msgspec.json.Decoder(event.body).decode

    async def receive(message: Msg) -> None:
        for each in unpacked(message):
            heard(decode(each.payload))

    await client.subscribe(f"{event.topic}.*", cb=receive)


async def watch(
    client: Client, events: Iterable[Event[Body]], seen: Callable[[UUID], None]
) -> None:
    """From now on tell ``seen`` of every shop of which one of ``events`` is said. Those that pass
    while the connection is away are missed."""

    async def receive(message: Msg) -> None:
        seen(UUID(message.subject.rpartition(".")[2]))

    for event in events:
        await client.subscribe(f"{event.topic}.*", cb=receive)
