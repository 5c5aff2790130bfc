"""What makes a purchase earn more, or nothing: bonuses and exclusions, for whom and on what."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

ONE = Decimal(1)


class Overlap(StrEnum):
    """What holds where several bonuses meet on the same goods. BEST: the greatest of them alone.
    STACK: all of them, multiplied."""

    BEST = "best"
    STACK = "stack"


@dataclass(frozen=True, slots=True)
class Goods:
    """Some of a shop's goods: those with one of these product ids, with one of these tags (letter
    case does not matter), or in one of these collections (Shopify's ids, as numbers). Without any
    of them: all."""

    products: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        return not (self.products or self.tags or self.collections)


NO_GOODS = Goods()
"""Names none: where goods are excluded, none are."""


@dataclass(frozen=True, slots=True)
class Bonus:
    """Purchases earn ``factor`` times as much: on these goods, by members of one of these tiers and
    one of these segments (empty: of any), from a spend of ``minimum_spend`` (shop currency) up,
    for orders placed from ``first_day`` to ``last_day``, both included, in the shop's time zone.
    None sets no such bound."""

    id: str
    factor: Decimal
    goods: Goods = NO_GOODS
    tiers: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    minimum_spend: Decimal = Decimal(0)
    first_day: date | None = None
    last_day: date | None = None
    enabled: bool = True


class OrderLine(NamedTuple):
    """A line of an order: ``amount`` after discounts, in shop currency, without gift cards; what
    the catalogue says of the product. Of ``collections`` those count that the program names."""

    product_id: str
    amount: Decimal
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Buyer:
    """What is known of a member at the moment an order earns; "" for none."""

    tier: str = ""
    segment: str = ""


NOBODY_SPECIAL = Buyer()


class Why(StrEnum):
    """Why a bonus does not hold for an order."""

    DISABLED = "disabled"
    NOT_STARTED = "not_started"
    OVER = "over"
    BELOW_MINIMUM = "below_minimum_spend"
    OTHER_TIER = "other_tier"
    OTHER_SEGMENT = "other_segment"
    OTHER_GOODS = "other_goods"
    OUTDONE = "a_greater_bonus_holds"


def is_among(line: OrderLine, goods: Goods) -> bool:
    """Whether a line's product is among these goods."""
    if goods.everything or line.product_id in goods.products:
        return True
    if any(each in goods.collections for each in line.collections):
        return True
    wanted = {tag.casefold() for tag in goods.tags}
    return any(tag.casefold() in wanted for tag in line.tags)


def why_not(bonus: Bonus, buyer: Buyer, placed_on: date, spend: Decimal) -> Why | None:
    """What keeps a bonus from the whole of an order, whatever its goods; None: nothing does."""
    if not bonus.enabled:
        return Why.DISABLED
    if bonus.first_day is not None and placed_on < bonus.first_day:
        return Why.NOT_STARTED
    if bonus.last_day is not None and placed_on > bonus.last_day:
        return Why.OVER
    if spend < bonus.minimum_spend:
        return Why.BELOW_MINIMUM
    if bonus.tiers and buyer.tier not in bonus.tiers:
        return Why.OTHER_TIER
    if bonus.segments and buyer.segment not in bonus.segments:
        return Why.OTHER_SEGMENT
    return None


def factor_of(line: OrderLine, bonuses: Iterable[Bonus], overlap: Overlap) -> Decimal:
    """What a line earns times as much; each of ``bonuses`` holds for its goods."""
    factors = [bonus.factor for bonus in bonuses if is_among(line, bonus.goods)]
    if overlap is Overlap.BEST:
        return max(factors, default=ONE)
    product = ONE
    for factor in factors:
        product *= factor
    return product
