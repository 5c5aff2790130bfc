"""The stream of deliveries: a shop's life as Shopify tells it, late, twice and out of order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Final

from infra.demo_shop.basket import BasketLine, pick
from infra.demo_shop.catalogue import Article, articles
from infra.demo_shop.delivery import Delivery
from infra.demo_shop.numbers import Numbers
from infra.demo_shop.orders import DemoOrder
from infra.demo_shop.people import Crowd, Person
from infra.demo_shop.wire import ABROAD, AT_HOME, encode

EVERY: Final = {
    "discount": 5,
    "paid later": 6,
    "edited": 7,
    "pos": 9,
    "guest": 11,
    "abroad": 12,
    "partly refunded": 19,
    "repeated": 23,
    "gift card": 25,
    "refund first": 29,
    "paid first": 31,
    "cancelled": 33,
    "fully refunded": 37,
    "test": 47,
}
"""Which share of the orders is special: one in so many, so that none is missing in a short run."""

_LATE_SIGNUPS: Final = 13  # one in so many accounts is told of only after its first order


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of a shop to make. The same plan makes the same deliveries, byte by byte.

    ``run`` keeps the ids of two runs apart; orders lie in the ``span`` before ``now``.
    """

    seed: int
    run: str
    orders: int
    customers: int
    now: datetime
    span: timedelta
    products: int = 60
    announce_products: bool = True


def deliveries(plan: Plan) -> list[Delivery]:
    """All deliveries of the plan, in the order in which they are to be sent."""
    told = sorted(_Shop(plan).life(), key=lambda each: each[0])
    return [delivery for _, delivery in told]


_Told = tuple[datetime, Delivery]  # when it is sent, and what


class _Shop:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = Random(f"{plan.seed}/{plan.run}")  # noqa: S311 - made-up data, no secret
        self._numbers = Numbers(f"{plan.seed}/{plan.run}")
        self._opened = plan.now - plan.span
        # What takes days in a shop of years takes moments in a short run.
        self._day = min(timedelta(days=1), plan.span / 100)
        # The catalogue is the shop's and not the run's: a second run sells the same things.
        shelf = Random(plan.seed)  # noqa: S311 - made-up data, no secret
        stock = Numbers(f"{plan.seed}/catalogue")
        self._articles = list(articles(plan.products, shelf, stock, self._opened))
        self._goods = [each.item for each in self._articles if not each.item.gift_card]
        self._gift_card = next(each.item for each in self._articles if each.item.gift_card)

    def life(self) -> Iterator[_Told]:
        if self._plan.announce_products:
            for article in self._articles:
                yield self._product(article)
        crowd = Crowd(self._plan.seed, self._random, self._numbers)
        people = [crowd.person(self._opened) for _ in range(self._plan.customers)]
        buyers = self._buyers(people)
        met: dict[int, Person] = {}
        for place in range(self._plan.orders):
            placed_at = self._opened + self._plan.span * (place + 1) / (self._plan.orders + 1)
            buyer = None if _is("guest", place) else next(buyers)
            if buyer is not None and buyer.shopify_id not in met:
                met[buyer.shopify_id] = buyer._replace(since=placed_at - timedelta(minutes=2))
                yield self._signup(met[buyer.shopify_id], len(met))
            yield from self._order(place, buyer and met[buyer.shopify_id], placed_at)
        for person in people:
            if person.shopify_id not in met:  # had a look, and never bought
                at = self._opened + self._plan.span * self._random.random()
                yield self._signup(person._replace(since=at), 1)

    def _buyers(self, people: Sequence[Person]) -> Iterator[Person]:
        """Who buys next. Half of the customers buy once; the others come back, some very often."""
        random, plan = self._random, self._plan
        once, regulars = list(people[::2]), people[1::2] or people
        # A long tail, cut off: nobody buys every other day for two years.
        weights = [min(random.paretovariate(1.2), 12.0) for _ in regulars]
        bought = plan.orders - plan.orders // EVERY["guest"]
        visits = once[:bought]
        visits += random.choices(regulars, weights, k=max(bought - len(visits), 0))
        random.shuffle(visits)
        yield from visits
        while True:  # a rounding more of guests or members than reckoned
            yield random.choice(regulars)

    def _product(self, article: Article) -> _Told:
        delivery = self._delivery("products/create", article.payload, self._opened)
        return self._opened, delivery

    def _signup(self, person: Person, number: int) -> _Told:
        delivery = self._delivery("customers/create", person.payload(), person.since)
        late = self._day if number % _LATE_SIGNUPS == 0 else timedelta()
        return person.since + late, delivery

    def _order(self, place: int, buyer: Person | None, at: datetime) -> Iterator[_Told]:
        random, numbers = self._random, self._numbers
        gift_card = self._gift_card if _is("gift card", place) else None
        basket = pick(self._goods, gift_card, _is("discount", place), numbers.next(), random)
        for _ in basket.lines[1:]:
            numbers.next()
        order = DemoOrder(
            order_id=numbers.next(),
            number=1001 + place,
            buyer=buyer,
            guest_email=f"guest.{place}@example.net",
            basket=basket,
            money=random.choice(ABROAD) if _is("abroad", place) else AT_HOME,
            placed_at=at,
            pos=_is("pos", place),
            test=_is("test", place),
            status="pending" if _is("paid later", place) else "paid",
        )
        told = list(self._told(place, order))
        yield from told
        if _is("repeated", place):
            when, delivery = random.choice(told)
            yield when + self._day * random.random(), delivery

    def _told(self, place: int, order: DemoOrder) -> Iterator[_Told]:
        """Everything that happens to the order, each with the moment its webhook arrives."""
        at = order.placed_at
        action = self._numbers.next_uuid()
        created = self._delivery("orders/create", order.payload(at), at, action)
        paid_at = at + (self._day / 8 if order.status == "pending" else timedelta(seconds=2))
        order.status = "paid"
        paid = self._delivery("orders/paid", order.payload(paid_at), paid_at, action)
        if _is("paid first", place):
            yield at, paid
            yield paid_at, created
        else:
            # A refund that overtakes its order is only possible for an order that is late.
            yield at + (self._day * 9 if _is("refund first", place) else timedelta()), created
            yield paid_at, paid
        if _is("edited", place):
            yield self._updated(order, paid_at + self._day / 50)
        if _is("partly refunded", place) or _is("refund first", place):
            yield from self._refunds(order, self._random.choice((1, 2, 3)), all_of_it=False)
        elif _is("fully refunded", place):
            yield from self._refunds(order, self._random.choice((1, 2)), all_of_it=True)
        if _is("cancelled", place) and at + self._day * 6 <= self._plan.now:
            yield self._cancelled(order, at + self._day * 6)

    def _refunds(self, order: DemoOrder, steps: int, *, all_of_it: bool) -> Iterator[_Told]:
        """Gives back all pieces or some of them, in so many steps at most, days after the order."""
        random = self._random
        pieces = [line for line in order.basket.lines for _ in range(line.quantity)]
        random.shuffle(pieces)
        if not all_of_it:
            pieces = pieces[: max(1, len(pieces) // 2)]
        gone: dict[BasketLine, int] = {}
        size = -(-len(pieces) // steps)
        for step, start in zip(count(2), range(0, len(pieces), size), strict=False):
            at = order.placed_at + self._day * step
            if at > self._plan.now:
                return  # has not happened yet
            part: dict[BasketLine, tuple[int, int]] = {}
            for line in pieces[start : start + size]:
                before, more = part.get(line, (gone.get(line, 0), 0))
                part[line] = before, more + 1
            gone |= {line: before + more for line, (before, more) in part.items()}
            refund = order.refund(self._new_refund_id(part), part, at)
            action = self._numbers.next_uuid()
            # Steps arrive in any order too.
            yield (
                at + self._day * 1.5 * random.random(),
                self._delivery("refunds/create", refund, at, action),
            )
            yield self._updated(order, at + timedelta(seconds=1), action)

    def _new_refund_id(self, part: dict[BasketLine, tuple[int, int]]) -> int:
        refund_id = self._numbers.next()
        for _ in part:  # its lines are numbered after it
            self._numbers.next()
        return refund_id

    def _cancelled(self, order: DemoOrder, at: datetime) -> _Told:
        order.cancelled_at = at
        order.status = "refunded" if order.refunds else "voided"
        return at, self._delivery("orders/cancelled", order.payload(at), at)

    def _updated(self, order: DemoOrder, at: datetime, action: str = "") -> _Told:
        return at, self._delivery("orders/updated", order.payload(at), at, action)

    def _delivery(
        self, topic: str, payload: dict[str, Any], at: datetime, action: str = ""
    ) -> Delivery:
        webhook = self._numbers.next_uuid()
        event = action or self._numbers.next_uuid()
        return Delivery(topic, webhook, event, at, encode(payload))


def _is(special: str, place: int) -> bool:
    share = EVERY[special]
    return place % share == share // 2
