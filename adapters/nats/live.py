"""Events as they pass, for who is looking at them now. Nothing is kept: the ledger is the truth."""

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from contracts.kit import Body, BodyT, Event
from contracts.streams import POINTS

Listener = Callable[[str, bytes], None]
"""(event name, payload); must not block."""

TOPICS: Final = tuple(f"evt.{area}.*" for area in POINTS.areas)


class LiveEvents:
    """Subscribes to a shop's events while somebody listens, and only then: without listeners the
    gateway has no work with them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listeners: dict[UUID, set[Listener]] = {}
        self._subscriptions: dict[UUID, list[Subscription]] = {}

    async def add(self, merchant_id: UUID, listener: Listener) -> None:
        listeners = self._listeners.setdefault(merchant_id, set())
        listeners.add(listener)
        if merchant_id in self._subscriptions:
            return

        async def receive(message: Msg) -> None:
            name = message.subject.split(".", 1)[1].rpartition(".")[0]
            for each in tuple(listeners):
                each(name, message.data)

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


async def hear(client: Client, event: Event[BodyT], heard: Callable[[BodyT], None]) -> None:
    """From now on tell ``heard`` of every ``event`` of any shop. Those that pass while the
    connection is away are missed."""
    decode = msgspec.json.Decoder(event.body).decode

    async def receive(message: Msg) -> None:
        heard(decode(message.data))

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
