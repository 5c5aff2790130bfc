"""A process of its own that is the shop: it sends signed deliveries and knows what must come of it.

    python -m tests.rig.load '<Shop as JSON>'

Takes one command a line on standard input and answers each with one line. Everything is made up
and signed before the first answer, so that sending costs as little as it can.
"""

import asyncio
import gc
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import uvloop

from infra.demo_shop.delivery import Delivery
from infra.demo_shop.oracle import expected_members
from infra.demo_shop.request import Prepared, Target, prepare
from infra.demo_shop.sender import Report, Sender
from infra.demo_shop.stream import Plan, deliveries


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to send to and how much to make up. ``topics`` narrows what is sent; empty: all."""

    port: int
    secret: str
    run: str
    orders: int
    customers: int
    topics: tuple[str, ...] = ()
    seed: int = 7


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """Send the next deliveries for so many seconds, or until SIGUSR1 when ``seconds`` is 0;
    ``rate`` per second, 0: as fast as they are taken. ``signups`` sends the accounts of all
    customers instead, however long that takes."""

    seconds: float = 0
    rate: float = 0
    connections: int = 64
    signups: bool = False
    patience: float = 60


class Truth(msgspec.Struct, frozen=True, kw_only=True, tag="truth"):
    """Say what must have come of everything that was accepted so far."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. Times are of the machine's monotonic clock; latencies in milliseconds
    from when a delivery was due. ``accepted_at`` has the first answer for each order."""

    started: float
    ended: float
    accepted: int
    repeats: int
    retries: int
    refused: dict[int, int]
    given_up: int
    p50_ms: float
    p99_ms: float
    ran_dry: bool
    accepted_at: dict[str, float] = {}

    @property
    def orders(self) -> int:
        return len(self.accepted_at)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    points: int
    orders: int
    spent: Decimal


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Members by Shopify customer id; the ids of all their orders (a guest's is nobody's); and how
    many orders of this month count for the plan (guests' too, test orders not)."""

    members: dict[str, Member]
    orders: list[str]
    usage: int


class _Customer(msgspec.Struct):
    id: int


class _Order(msgspec.Struct):
    id: int
    customer: _Customer | None
    test: bool
    created_at: datetime


_read_order = msgspec.json.Decoder(_Order).decode


class _Load:
    def __init__(self, shop: Shop) -> None:
        self._target = Target(shop.port, shop.secret)
        made = deliveries(
            Plan(
                seed=shop.seed,
                run=shop.run,
                orders=shop.orders,
                customers=shop.customers,
                now=datetime.now(UTC),
                # Short enough to lie in one month nearly always, long enough to have an order.
                span=timedelta(hours=1),
                announce_products=False,
            )
        )
        if shop.topics:
            made = [each for each in made if each.topic in shop.topics]
        # The accounts go first when they are sent on their own, else where they belong.
        self._all = prepare(made, self._target)
        self._next = 0
        self._sent_signups = False
        self._accepted: list[Delivery] = []
        self._enough = False

    def enough(self) -> None:
        """Finish what is under way and take nothing new."""
        self._enough = True

    def send(self, command: Send) -> Sent:
        return uvloop.run(self._send(command))

    async def _send(self, command: Send) -> Sent:
        accepted: list[tuple[Delivery, float]] = []
        sender = Sender(
            self._target,
            rate=command.rate or None,
            connections=command.connections,
            patience=command.patience,
            on_accepted=lambda delivery, at: accepted.append((delivery, at)),
        )
        started = time.monotonic()
        self._enough = False
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.enough)
        deadline = started + command.seconds if command.seconds else math.inf
        report = await sender.send(self._signups() if command.signups else self._until(deadline))
        ended = time.monotonic()
        self._accepted += report.accepted
        return self._told(started, ended, report, accepted)

    def _signups(self) -> Iterator[Prepared]:
        self._sent_signups = True
        return (each for each in self._all if each.delivery.topic == "customers/create")

    def _until(self, deadline: float) -> Iterator[Prepared]:
        while self._next < len(self._all) and time.monotonic() < deadline and not self._enough:
            prepared = self._all[self._next]
            self._next += 1
            if not (self._sent_signups and prepared.delivery.topic == "customers/create"):
                yield prepared

    def _told(
        self,
        started: float,
        ended: float,
        report: Report,
        accepted: Sequence[tuple[Delivery, float]],
    ) -> Sent:
        accepted_at: dict[str, float] = {}
        for delivery, at in accepted:
            if delivery.topic == "orders/create":
                accepted_at.setdefault(str(_read_order(delivery.body).id), at)
        return Sent(
            started=started,
            ended=ended,
            accepted=len(report.accepted),
            repeats=report.duplicates,
            retries=report.retries,
            refused=dict(report.refused),
            given_up=len(report.given_up),
            p50_ms=report.latency(0.5) * 1000,
            p99_ms=report.latency(0.99) * 1000,
            ran_dry=self._next >= len(self._all),
            accepted_at=accepted_at,
        )

    def truth(self) -> Expected:
        members = expected_members(self._accepted)
        told = [each.body for each in self._accepted if each.topic.startswith("orders/")]
        orders = {str(order.id): order for order in map(_read_order, told)}
        month = _month_of(datetime.now(UTC))
        return Expected(
            members={
                customer: Member(points=each.points, orders=each.orders, spent=each.spent)
                for customer, each in members.items()
            },
            orders=[name for name, order in orders.items() if order.customer is not None],
            usage=sum(
                not order.test and _month_of(order.created_at) == month for order in orders.values()
            ),
        )


def _month_of(at: datetime) -> tuple[int, int]:
    at = at.astimezone(UTC)
    return at.year, at.month


def main() -> None:
    load = _Load(msgspec.json.decode(sys.argv[1], type=Shop))
    # What was made stays to the end; looking through it again and again would only cost time.
    gc.collect()
    gc.freeze()
    gc.disable()
    read = msgspec.json.Decoder(Send | Truth).decode
    # Not sys.stdout.buffer: where PYTHONUNBUFFERED is set that is the bare file, which may write a
    # part of a long answer and leave it at that. The end of an event loop that used io_uring
    # interrupts a write, and whoever waited for the rest of the line waited for ever.
    out = os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
    print("ready", flush=True)
    for line in sys.stdin:
        command = read(line)
        answer = load.send(command) if isinstance(command, Send) else load.truth()
        out.write(msgspec.json.encode(answer) + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
