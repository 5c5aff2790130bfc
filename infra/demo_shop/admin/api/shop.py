"""A shop in memory: what its webhooks have told, and what apps have made in it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from infra.demo_shop.admin.api.records import (
    BulkOperation,
    Collection,
    CreditAccount,
    Discount,
    GiftCard,
    Metafield,
    Subscription,
)
from infra.demo_shop.admin.api.refusals import unknown
from infra.demo_shop.admin.api.throttle import Bucket
from infra.demo_shop.delivery import CURRENCY, Delivery
from infra.demo_shop.numbers import Numbers
from infra.demo_shop.wire import iso

TIME_ZONE: Final = "America/New_York"
_MOST: Final = 50_000
_MOST_SHOPS: Final = 5_000

Payload = dict[str, Any]
"""As a webhook tells of it."""

_Thing = TypeVar("_Thing")


class Shelf(dict[str, _Thing], Generic[_Thing]):
    """Things of one kind by the number in their id; as many as there is room for."""

    def put(self, number: object, thing: _Thing) -> None:
        if str(number) not in self and len(self) >= _MOST:
            raise unknown(f"where to put more than {_MOST} things of a kind")
        self[str(number)] = thing


class Shop:
    """``now`` is the time in it. With ``anybody``, customers that are named and not known are
    made up, so that whoever plays shop on this machine need not tell of them first."""

    def __init__(self, domain: str, now: Callable[[], datetime], *, anybody: bool = False) -> None:
        self.domain = domain
        self.now = now
        self.currency = CURRENCY
        self.time_zone = TIME_ZONE
        self.bucket = Bucket()
        self.bulk_takes = (timedelta(seconds=0.2), timedelta(seconds=1))
        """How long a bulk operation waits, and how long it is under way until it is complete."""
        self.numbers = Numbers(f"{domain}/admin")
        self.customers: Shelf[Payload] = Shelf()
        self.orders: Shelf[Payload] = Shelf()
        self.products: Shelf[Payload] = Shelf()
        self.collections: Shelf[Collection] = Shelf()
        self.discounts: Shelf[Discount] = Shelf()
        self.gift_cards: Shelf[GiftCard] = Shelf()
        self.credit: Shelf[CreditAccount] = Shelf()
        self.metafields: Shelf[Metafield] = Shelf()
        self.subscriptions: Shelf[Subscription] = Shelf()
        self.bulk: Shelf[BulkOperation] = Shelf()
        self._anybody = anybody
        self._expected: list[Callable[[], None]] = []
        self._refunds: dict[str, dict[str, Payload]] = defaultdict(dict)
        self._orders_of: dict[str, set[str]] = defaultdict(set)

    # What happens in it.

    def hear(self, topic: str, said: Mapping[str, Any]) -> None:
        """Takes in what a webhook tells, late or twice too: the newest of a thing counts."""
        payload = dict(said)
        subject, _, what = topic.partition("/")
        if topic == "refunds/create":
            self._refunds[str(payload["order_id"])][str(payload["id"])] = payload
        elif what == "delete":
            self._shelf(subject).pop(str(payload["id"]), None)
        elif subject == "orders":
            self._hear_order(payload)
        else:
            _keep_newest(self._shelf(subject), payload)

    def expect(self, taking_in: Callable[[], None]) -> None:
        """There is more, to be taken in when somebody asks."""
        self._expected.append(taking_in)

    def take_in(self) -> None:
        while self._expected:
            self._expected.pop(0)()

    def hear_all(self, deliveries: Iterable[Delivery], decode: Callable[[bytes], Payload]) -> None:
        for each in deliveries:
            self.hear(each.topic, decode(each.body))

    def add_customer(self, number: int, **known: object) -> Payload:
        """A customer, with a made-up name where ``known`` (fields of the webhook) has none."""
        at = iso(self.now())
        payload: Payload = {
            "id": number,
            "email": f"customer.{number}@example.com",
            "phone": None,
            "first_name": "Customer",
            "last_name": str(number),
            "created_at": at,
            "updated_at": at,
            "state": "enabled",
            "verified_email": True,
        }
        self.hear("customers/create", payload | known)
        return self.customers[str(number)]

    def add_collection(self, title: str, product_ids: Iterable[int]) -> Collection:
        number = self.numbers.next()
        handle = title.lower().replace(" ", "-")
        products = [str(each) for each in product_ids]
        collection = Collection(number, title, handle, products, self.now())
        self.collections.put(number, collection)
        return collection

    # What there is.

    def customer(self, number: str) -> Payload | None:
        known = self.customers.get(number)
        if known is None and self._anybody and number.isdecimal():
            return self.add_customer(int(number))
        return known

    def refunds_of(self, order: Payload) -> list[Payload]:
        by_id = {str(each["id"]): each for each in order.get("refunds") or ()}
        by_id |= self._refunds.get(str(order["id"]), {})
        return sorted(by_id.values(), key=lambda each: int(each["id"]))

    def orders_of(self, customer: str) -> list[Payload]:
        known = (self.orders.get(each) for each in self._orders_of.get(customer, ()))
        return [each for each in known if each is not None]

    def discount_by_code(self, code: str) -> Discount | None:
        """Whatever its case."""
        wanted = code.strip().casefold()
        return next(
            (each for each in self.discounts.values() if each.code.casefold() == wanted), None
        )

    def _hear_order(self, order: Payload) -> None:
        _keep_newest(self.orders, order)
        if buyer := order.get("customer"):
            self._orders_of[str(buyer["id"])].add(str(order["id"]))
            if str(buyer["id"]) not in self.customers:
                self.customers.put(buyer["id"], {"created_at": order["created_at"], **buyer})

    def _shelf(self, subject: str) -> Shelf[Payload]:
        shelves = {"customers": self.customers, "orders": self.orders, "products": self.products}
        if subject not in shelves:
            raise unknown(f"webhooks of {subject}")
        return shelves[subject]


class Shops:
    """Every shop there may be: nobody has to make one first. ``stock`` is asked to fill a new
    one."""

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        anybody: bool = False,
        stock: Callable[[Shop], None] = lambda _: None,
    ) -> None:
        self._now = now
        self._anybody = anybody
        self._stock = stock
        self._shops: dict[str, Shop] = {}

    def __getitem__(self, domain: str) -> Shop:
        if domain not in self._shops:
            if len(self._shops) >= _MOST_SHOPS:
                raise unknown(f"more than {_MOST_SHOPS} shops")
            shop = self._shops[domain] = Shop(domain, self._now, anybody=self._anybody)
            self._stock(shop)
        return self._shops[domain]


def _keep_newest(shelf: Shelf[Payload], payload: Payload) -> None:
    known = shelf.get(str(payload["id"]))
    if known is None or _updated(known) <= _updated(payload):
        shelf.put(payload["id"], {**(known or {}), **payload})


def _updated(payload: Payload) -> datetime:
    return datetime.fromisoformat(payload.get("updated_at") or payload["created_at"])
