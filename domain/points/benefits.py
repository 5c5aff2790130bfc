"""What a redemption gives a member at the shop's checkout, or beside it."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class AmountOff:
    """A code for ``amount`` (shop currency) off one order of at least ``minimum_subtotal``."""

    amount: Decimal
    minimum_subtotal: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class PercentOff:
    """A code for ``percent`` (more than 0, at most 100) off one order of at least
    ``minimum_subtotal`` (shop currency)."""

    percent: Decimal
    minimum_subtotal: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class FreeShipping:
    """A code for one order that is sent for nothing."""

    minimum_subtotal: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class FreeProduct:
    """A code that makes one piece of a product (its id at Shopify) free in one order."""

    product_id: str


@dataclass(frozen=True, slots=True)
class StoreCredit:
    """``amount`` (``currency``, the shop's) on the member's store credit account; no code."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class GiftCard:
    """A gift card over ``amount`` (shop currency), whose code pays like money."""

    amount: Decimal


Benefit = AmountOff | PercentOff | FreeShipping | FreeProduct | StoreCredit | GiftCard
