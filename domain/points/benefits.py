"""What a redemption gives a member at the shop's checkout, or beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any


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


CODED = (AmountOff, PercentOff, FreeShipping, FreeProduct)
"""Benefits that are a discount code, which an order carries."""

_NAMES: dict[str, type[Benefit]] = {
    "amount_off": AmountOff,
    "percent_off": PercentOff,
    "free_shipping": FreeShipping,
    "free_product": FreeProduct,
    "store_credit": StoreCredit,
    "gift_card": GiftCard,
}


def name_of(benefit: Benefit) -> str:
    """What a benefit is called wherever it is told: ``amount_off``, ``gift_card``, ..."""
    return next(name for name, kind in _NAMES.items() if type(benefit) is kind)


def to_stored(benefit: Benefit) -> dict[str, str]:
    """The benefit as it is stored: texts, so that amounts stay exact."""
    values = {each.name: str(getattr(benefit, each.name)) for each in fields(benefit)}
    return {"benefit": name_of(benefit), **values}


def from_stored(stored: Mapping[str, str]) -> Benefit:
    """What ``to_stored`` has made. Raises KeyError for what it has not."""
    kind = _NAMES[stored["benefit"]]
    values: dict[str, Any] = {
        each.name: Decimal(stored[each.name]) if each.type is Decimal else stored[each.name]
        for each in fields(kind)
    }
    return kind(**values)
