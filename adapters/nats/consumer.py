"""Consuming events: whole batches in one transaction, each event's effect exactly once.

Commit, then acknowledge. A batch that fails is taken apart and applied event by event, so that a
bad one harms no neighbour; the bad one is tried again with backoff and then put aside with the
reason. A database that is away is not the events' fault: they are held and tried again until it is
back.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from adapters.nats.connection import ONLY_FOR, QuickClient
from adapters.nats.dead import dead_letter
from adapters.nats.packs import Carried, as_it_came, single, unpacked
from adapters.nats.publisher import Publisher
from adapters.nats.pull import Puller
from adapters.nats.streams import DEAD, TASKS, WEBHOOKS
from adapters.nats.streams import EVENTS as EVENTS_STREAM
from adapters.telemetry.metrics import BATCH_SECONDS, BATCH_SIZE, CONSUMER_LAG, EVENTS
from adapters.telemetry.tracing import BatchSpans
from adapters.validation import body_reader, check_values
from contracts.kit import Body, Event
from contracts.views import View, check_view
from domain.errors import InvalidRequest, LoyaltyError, Unavailable
from ports.events import Received
from ports.moving import ShopMoving
from ports.tenancy import within
from ports.unit import Unit, Units

log = logging.getLogger(__name__)

StoresT = TypeVar("StoresT")

BATCH: Final = 1000
"""Events of one transaction at most, but for what is in the last message. With 500 an event cost a
tenth more; with 2,000 it would cost a tenth less, and whoever waits for one of their rows would
wait too long."""
LANES: Final = 2
"""Transactions side by side (``Consumes.whose``)."""
ACK_WAIT_SECONDS: Final = 10.0
"""What a killed worker had in hand comes again after this long; a batch takes a tenth of it."""
BACKOFF_SECONDS: Final = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Waits between the tries of one event; when they are used up it becomes a dead letter."""

_HOLD_SECONDS: Final = 2.0
_UNKNOWN_SECONDS: Final = 0.5
_UNFILED_SECONDS: Final = 5.0
_NEWER_SECONDS: Final = 5.0
_MOVING_SECONDS: Final = 5.0
STREAMS: Final = {"shop": WEBHOOKS, "evt": EVENTS_STREAM, "task": TASKS, "dead": DEAD}


@dataclass(frozen=True, slots=True)
class Consumes(Generic[StoresT]):
    """What a service does with some events of one stream, all of a batch in one transaction.

    ``handle`` sees only events that were not applied before. Without an ``inbox`` it sees every
    delivery, and its own rows must tell what is done. ``views`` has the bodies of which it reads a
    part only: it is given that part in their place. ``read`` makes an event of a message where its
    declaration does not say how. ``backoff`` and ``ack_wait`` are in seconds; what was not
    acknowledged within ``ack_wait`` (its worker died) is delivered again.

    ``whose`` says of some bodies whom each concerns, or None where one concerns everybody. Then, of
    more than a batch that waits, ``LANES`` batches are applied side by side, each with all that
    concerns the same: one is worked out while the database works on the other, and neither waits
    for what the other holds.
    """

    events: tuple[Event[Body], ...]
    units: Units[StoresT]
    handle: Callable[[Unit[StoresT], Sequence[Received[Any]]], Awaitable[None]]
    name: str = ""
    batch: int = BATCH
    backoff: tuple[float, ...] = field(default=BACKOFF_SECONDS)
    ack_wait: float = ACK_WAIT_SECONDS
    inbox: bool = True
    whose: Callable[[Sequence[Any]], Sequence[Hashable] | None] | None = None
    views: Mapping[type[Body], type[View]] = field(default_factory=dict)
    read: Callable[[Msg], Received[Any]] | None = None


_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, KeyError, InvalidRequest)
"""What reading raises for what no try will ever read or keep."""


class _Delivery(msgspec.Struct):
    """One event of a message; those of one message follow each other."""

    message: Msg
    carried: Carried
    event: Received[Any]
    is_applied: bool = False
    given_up: str = ""  # why it is to be put aside although it was applied
    later: float | None = None  # in how many seconds it is to come again


class Consumer(Generic[StoresT]):
    """One durable consumer, run by this process; replicas of a service share it."""

    def __init__(
        self,
        client: QuickClient,
        js: JetStreamContext,
        publisher: Publisher,
        service: str,
        consumes: Consumes[StoresT],
    ) -> None:
        self.name = consumes.name or service
        self._service = service
        self._client = client
        self._js = js
        self._publisher = publisher
        self._consumes = consumes
        for body, view in consumes.views.items():
            check_view(view, body)
        self._readers = {
            event.topic: (event, body_reader(consumes.views.get(event.body, event.body)))
            for event in consumes.events
        }
        prefixes = {event.prefix for event in consumes.events}
        if len(prefixes) != 1:
            raise ValueError(f"{self.name}: a consumer reads one stream, not {sorted(prefixes)}")
        self.stream = STREAMS[prefixes.pop()]
        self._durable = f"{self.name}-{self.stream.lower()}"
        most = consumes.batch if consumes.whose is None else consumes.batch * LANES
        self._puller = Puller(client, self.stream, self._durable, most)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._most_unsettled = consumes.batch * 8
        self._failures: dict[int, dict[str, int]] = {}
        """How often events have failed here, by message; the one that failed last comes last."""

    async def start(self) -> None:
        await self._ensure()
        await self._puller.start()
        self._task = asyncio.create_task(self._run(), name=f"consumer {self._durable}")

    async def stop(self, seconds: float = 15.0) -> None:
        """Finish what is in hand, give back what was only fetched."""
        self._stopping.set()
        self._puller.wake()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=seconds)
            for task in late:
                task.cancel()
        for message in await self._puller.stop():
            await message.nak()

    async def measure_lag(self) -> int:
        """Events that wait or are being worked on, over all replicas."""
        info = await self._js.consumer_info(self.stream, self._durable)
        lag = (info.num_pending or 0) + (info.num_ack_pending or 0)
        CONSUMER_LAG.labels(self._durable).set(lag)
        return lag

    async def _ensure(self) -> None:
        config = ConsumerConfig(
            durable_name=self._durable,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            filter_subjects=[f"{topic}.*" for topic in self._readers],
            ack_wait=self._consumes.ack_wait,
            # We count and put aside ourselves, with the reason; the server would drop silently.
            max_deliver=-1,
            max_ack_pending=self._most_unsettled,
        )
        # Creating also updates: a service that listens to one more event needs no migration.
        await self._js.add_consumer(self.stream, config)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._puller.is_unknown:
                    await self._pause(_UNKNOWN_SECONDS)
                    await self._ensure()
                if messages := await self._puller.take():
                    await self._work(messages)
            except NatsError:
                await self._pause(0.5)
            except Exception:
                log.exception("consumer %s stumbled; its events will be delivered again", self.name)
                await self._pause(1.0)

    async def _work(self, messages: Sequence[Msg]) -> None:
        started = time.perf_counter()
        deliveries = [each for message in messages for each in await self._open(message)]
        if not deliveries:
            return
        try:
            applied = await self._apply_side_by_side(deliveries)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.warning(
                "%s: a batch of %d failed (%s), applying one by one",
                self.name, len(deliveries), type(error).__name__,
            )  # fmt: skip
            await self._one_by_one(deliveries)
        else:
            if applied:
                await self._settle(deliveries)
            else:
                await self._give_back(deliveries)
        BATCH_SIZE.labels(self.name).observe(len(deliveries))
        BATCH_SECONDS.labels(self.name).observe(time.perf_counter() - started)

    async def _open(self, message: Msg) -> Sequence[_Delivery]:
        """The events of a message; none where nothing is left to be done with it."""
        if message.headers and message.headers.get(ONLY_FOR, self.name) != self.name:
            await message.ack()  # a replay for somebody else
            return ()
        topic, _, _ = message.subject.rpartition(".")
        if self._consumes.read is None and topic not in self._readers:
            # A newer replica has widened the consumer we share; it will know what this is.
            await message.nak(delay=_NEWER_SECONDS)
            return ()
        try:
            inside = (single(message),) if self._consumes.read else unpacked(message)
        except _UNREADABLE as error:
            await self._finish(
                message, await self._put_aside(message, as_it_came(message), type(error).__name__)
            )
            return ()
        found: list[_Delivery] = []
        wait = None
        for carried in inside:
            try:
                found.append(_Delivery(message, carried, self._read(message, carried)))
            except _UNREADABLE as error:
                wait = await self._put_aside(message, carried, type(error).__name__) or wait
        if wait is not None or not found:
            await self._finish(message, wait)
            return ()
        return found

    def _read(self, message: Msg, carried: Carried) -> Received[Any]:
        if self._consumes.read is not None:
            return self._consumes.read(message)
        topic, merchant_id = _parts_of(carried.subject)
        event, read = self._readers[topic]
        return Received(
            id=carried.id,
            event=event,
            body=read(carried.payload),
            merchant_id=merchant_id,
            at=carried.at,
            trace=carried.trace,
            actor=carried.actor,
        )

    async def _apply_side_by_side(self, deliveries: Sequence[_Delivery]) -> bool:
        """Apply in as many lanes as there may be, and wait for all of them."""
        lanes = self._lanes(deliveries)
        if len(lanes) == 1:
            return await self._apply_when_possible(deliveries)
        ends = await asyncio.gather(*map(self._apply_when_possible, lanes), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return all(ends)

    def _lanes(self, deliveries: Sequence[_Delivery]) -> Sequence[Sequence[_Delivery]]:
        """What concerns the same is in one lane, in the order in which it came."""
        if self._consumes.whose is None or len(deliveries) <= self._consumes.batch:
            return (deliveries,)
        concerned = self._consumes.whose([each.event.body for each in deliveries])
        if concerned is None:
            return (deliveries,)
        together: dict[Hashable, list[_Delivery]] = defaultdict(list)
        for who, delivery in zip(concerned, deliveries, strict=True):
            together[who].append(delivery)
        lanes: list[list[_Delivery]] = [[] for _ in range(LANES)]
        for each in together.values():
            min(lanes, key=len).extend(each)
        return [lane for lane in lanes if lane]

    async def _apply_when_possible(self, deliveries: Sequence[_Delivery]) -> bool:
        """Apply, and wait for a database that is away. False: stopped before it came back. What is
        of a shop that is being moved is left for later."""
        now = deliveries
        wait = 0.1
        held_since = time.monotonic()
        while True:
            try:
                with within(each.event.merchant_id for each in now):
                    await self._apply(now)
                return True
            except ShopMoving as moving:
                left = self._without(now, moving.shops)
                if len(left) == len(now):
                    raise
                if not left:
                    return True
                now = left
                continue
            except Unavailable:
                if wait == 0.1:
                    log.warning(
                        "%s: holding %d events, storage is away", self.name, len(deliveries)
                    )
            await self._pause(wait)
            if self._stopping.is_set():
                return False
            wait = min(wait * 2, _HOLD_SECONDS)
            if time.monotonic() - held_since > self._consumes.ack_wait / 3:
                held_since = time.monotonic()
                await self._hold(_messages(deliveries))

    def _without(
        self, deliveries: Sequence[_Delivery], shops: Collection[UUID]
    ) -> Sequence[_Delivery]:
        """Leave for later what is of these shops; a single event also when it only has to do with
        them. Returns the others."""
        alone = len(deliveries) == 1
        theirs = [each for each in deliveries if alone or each.event.merchant_id in shops]
        for each in theirs:
            each.later = _MOVING_SECONDS
        EVENTS.labels(self.name, "moving").inc(len(theirs))
        return [each for each in deliveries if each.later is None]

    async def _apply(self, deliveries: Sequence[_Delivery]) -> None:
        # Each event once: it may be twice in one batch.
        events = {each.event.id: each.event for each in deliveries}
        spans = BatchSpans(self.name, events.values())
        failure = ""
        try:
            async with self._consumes.units() as unit:
                fresh = spans.events
                if self._consumes.inbox:
                    unclaimed = await unit.journal.claim(self.name, list(events))
                    fresh = [each for each in fresh if each.id in unclaimed]
                if fresh:
                    await self._consumes.handle(unit, fresh)
            for delivery in deliveries:
                delivery.is_applied = True
                if unit.given_up:
                    delivery.given_up = unit.given_up.get(delivery.event.id, "")
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            spans.end(failure)
        EVENTS.labels(self.name, "applied").inc(len(fresh))
        if len(fresh) < len(deliveries):
            EVENTS.labels(self.name, "repeated").inc(len(deliveries) - len(fresh))

    async def _one_by_one(self, deliveries: Sequence[_Delivery]) -> None:
        """What was not applied together."""
        held_since = time.monotonic()
        messages = [
            list(each) for _, each in groupby(deliveries, key=lambda each: id(each.message))
        ]
        for number, of_message in enumerate(messages):
            if time.monotonic() - held_since > self._consumes.ack_wait / 3:
                held_since = time.monotonic()
                await self._hold(each[0].message for each in messages[number:])
            for delivery in of_message:
                if delivery.is_applied:
                    continue
                try:
                    if not await self._apply_when_possible([delivery]):
                        for each in messages[number:]:
                            await self._give_back(each)
                        return
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    delivery.later = await self._failed(delivery, error)
            await self._settle(of_message)

    async def _failed(self, delivery: _Delivery, error: Exception) -> float | None:
        """After how many seconds to try again; None for what was put aside."""
        tries = self._failed_now(delivery)
        try:
            check_values(delivery.event.body)
        except InvalidRequest as refused:
            # No try will ever keep it.
            return await self._put_aside(delivery.message, delivery.carried, type(refused).__name__)
        # Only our own errors have texts that are safe to keep; of others the type must do.
        reason = f"{error.code}: {error.detail}" if isinstance(error, LoyaltyError) else ""
        reason = reason or type(error).__name__
        if tries <= len(self._consumes.backoff):
            EVENTS.labels(self.name, "retried").inc()
            log.warning("%s: try %d of an event failed (%s)", self.name, tries, reason)
            return self._consumes.backoff[tries - 1]
        log.error(
            "%s: an event is put aside after %d tries (%s)", self.name, tries, reason,
            exc_info=error,
        )  # fmt: skip
        return await self._put_aside(delivery.message, delivery.carried, reason, tries)

    def _failed_now(self, delivery: _Delivery) -> int:
        """How often an event has failed by now. A message comes again for other reasons, too: a
        shop that is being moved, a worker that died, another event in it. What other processes
        saw is not known here, so an event may be tried more often, and never less."""
        sequence = delivery.message.metadata.sequence.stream
        failures = self._failures.pop(sequence, {})
        failures[delivery.carried.id] = failures.get(delivery.carried.id, 0) + 1
        self._failures[sequence] = failures
        if len(self._failures) > self._most_unsettled:
            del self._failures[next(iter(self._failures))]
        return failures[delivery.carried.id]

    async def _put_aside(
        self, message: Msg, carried: Carried, reason: str, tries: int = 1
    ) -> float | None:
        """File an event of a message as a dead letter. Returns after how many seconds to try again;
        None when it is filed."""
        if self.stream == DEAD:
            # It is where it belongs; putting it aside there again would go round for ever.
            log.error("%s: a dead letter cannot be filed and stays in its stream", self.name)
            return None
        try:
            await dead_letter(
                self._publisher, message, carried, self._service, self.name, reason, tries
            )
        except Unavailable:
            return _UNFILED_SECONDS
        EVENTS.labels(self.name, "dead").inc()
        return None

    async def _settle(self, deliveries: Sequence[_Delivery]) -> None:
        """Acknowledge the messages of which everything is done. A message of which something is for
        later comes again as a whole: what was applied of it is known then."""
        for each in deliveries:
            if each.given_up:
                each.later = await self._put_aside(each.message, each.carried, each.given_up)
        later: dict[int, float] = {}
        for each in deliveries:
            if each.later is not None:
                later[id(each.message)] = max(each.later, later.get(id(each.message), 0))
        messages = _messages(deliveries)
        done = [each for each in messages if id(each) not in later]
        await self._client.acknowledge(done)
        if self._failures:
            for message in done:
                self._failures.pop(message.metadata.sequence.stream, None)
        for message in messages:
            if id(message) in later:
                await message.nak(delay=later[id(message)])

    async def _hold(self, messages: Iterable[Msg]) -> None:
        """These take longer. So does what was fetched and waits behind them: each time it came
        again it would look like a failure of its own, and one real one would be the last."""
        for message in (*messages, *self._puller.waiting):
            await message.in_progress()

    async def _give_back(self, deliveries: Sequence[_Delivery]) -> None:
        for message in _messages(deliveries):
            await message.nak()

    async def _finish(self, message: Msg, wait: float | None) -> None:
        """Nothing more is to be done with a message, or in so many seconds all of it again."""
        if wait is None:
            await message.ack()
        else:
            await message.nak(delay=wait)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


@lru_cache(50_000)
def _parts_of(subject: str) -> tuple[str, UUID]:
    """Topic and merchant; remembered, because a shop's events come by the thousand."""
    topic, _, merchant = subject.rpartition(".")
    return topic, UUID(merchant)


def _messages(deliveries: Iterable[_Delivery]) -> Collection[Msg]:
    """Each once."""
    return {id(each.message): each.message for each in deliveries}.values()
