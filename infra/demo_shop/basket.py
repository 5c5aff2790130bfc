"""What is in an order, to the cent: lines, discounts, and shares that a refund gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Final

from infra.demo_shop.catalogue import Item

_CENT: Final = Decimal("0.01")
_NOTHING: Final = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class BasketLine:
    """Some of one item; ``discount`` is what all of them together are cheaper by."""

    line_id: int
    item: Item
    quantity: int
    discount: Decimal

    @property
    def total(self) -> Decimal:
        return self.item.price * self.quantity - self.discount

    def share(self, given_back: int, more: int) -> Decimal:
        """What ``more`` pieces give back when ``given_back`` went before. All pieces together give
        back exactly the total, whatever the steps."""
        before = (self.total * given_back / self.quantity).quantize(_CENT)
        after = (self.total * (given_back + more) / self.quantity).quantize(_CENT)
        return after - before


@dataclass(frozen=True, slots=True)
class Basket:
    lines: tuple[BasketLine, ...]
    code: str

    @property
    def subtotal(self) -> Decimal:
        """After discounts; gift cards included, as Shopify has it."""
        return sum((line.total for line in self.lines), _NOTHING)

    @property
    def discount(self) -> Decimal:
        return sum((line.discount for line in self.lines), _NOTHING)


def pick(
    goods: Sequence[Item], gift_card: Item | None, discounted: bool, first_id: int, random: Random
) -> Basket:
    """One to three kinds of goods, and the gift card if there is one to be added (every third time
    it is bought alone). A discount is ten to twenty-five percent off the goods."""
    percent = random.choice((10, 15, 20, 25)) if discounted else 0
    items: list[Item] = []
    if gift_card is not None:
        items.append(gift_card)
    if gift_card is None or random.random() < 0.67:
        items.extend(random.sample(goods, random.choice((1, 1, 1, 2, 2, 3))))
    lines = []
    for place, item in enumerate(items):
        quantity = 1 if item.gift_card else random.choice((1, 1, 1, 2, 2, 3))
        off = 0 if item.gift_card else percent
        discount = (item.price * quantity * off / 100).quantize(_CENT, ROUND_HALF_UP)
        lines.append(BasketLine(first_id + place, item, quantity, discount))
    code = f"SAVE{percent}" if percent else ""
    return Basket(tuple(lines), code)
