"""What is in the demo shops: the same that was sent as webhooks, made again from its plan.

Made when somebody first asks for it, so that nobody pays for it who does not.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from infra.demo_shop.admin.api.shop import Shop

_MOST: Final = 20
"""Plans of one shop; the oldest go."""


class Told(msgspec.Struct, frozen=True):
    """Of which plan somebody has sent the webhooks; see ``infra.demo_shop.stream.Plan``. The
    ``span`` is in seconds."""

    seed: int
    run: str
    orders: int
    customers: int
    now: datetime
    span: float
    announce_products: bool


class Stock:
    """``plans`` by shop, and whom to tell when there is another one."""

    def __init__(
        self, plans: dict[str, list[Told]], changed: Callable[[dict[str, list[Told]]], None]
    ) -> None:
        self._plans = defaultdict(list, plans)
        self._changed = changed

    def fill(self, shop: Shop) -> None:
        for each in self._plans[shop.domain]:
            shop.expect(partial(_take_in, shop, each))

    def add(self, shop: Shop, told: Told) -> None:
        plans = self._plans[shop.domain]
        plans[:] = [*(each for each in plans if each.run != told.run), told][-_MOST:]
        shop.expect(partial(_take_in, shop, told))
        self._changed(dict(self._plans))


def _take_in(shop: Shop, told: Told) -> None:
    from infra.demo_shop.stream import Plan, deliveries  # with Faker, which is large

    plan = Plan(
        seed=told.seed,
        run=told.run,
        orders=told.orders,
        customers=told.customers,
        now=told.now,
        span=timedelta(seconds=told.span),
        announce_products=told.announce_products,
    )
    shop.hear_all(deliveries(plan), msgspec.json.decode)
    _sort_into_collections(shop)


def _sort_into_collections(shop: Shop) -> None:
    """Each kind of product is a collection."""
    kinds: dict[str, list[int]] = {}
    for product in shop.products.values():
        if kind := product.get("product_type"):
            kinds.setdefault(kind, []).append(product["id"])
    there = {each.title: each for each in shop.collections.values()}
    for kind, products in sorted(kinds.items()):
        if kind in there:
            there[kind].products = [str(each) for each in products]
        else:
            shop.add_collection(kind, products)
