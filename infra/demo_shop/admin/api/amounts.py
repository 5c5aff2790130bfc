"""Amounts of orders: what webhooks spell as text and sets, as the API's bags of money."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from infra.demo_shop.admin.api.shop import Payload, Shop
from infra.demo_shop.admin.api.views import View, money

_CENT: Final = Decimal("0.01")
_NOTHING: Final = Decimal(0)


def bag(of: Payload, name: str, order: Payload) -> View:
    """The ``*_set`` of an amount, or one made of the plain amount at the order's rate."""
    both = of.get(f"{name}_set")
    if both is not None:
        return _bag(_amount(both, "shop_money"), _amount(both, "presentment_money"), order)
    return bag_of(Decimal(str(of.get(name) or 0)), order)


def bag_of(amount: Decimal, order: Payload) -> View:
    """An amount in the shop's currency, in both."""
    if order.get("presentment_currency", order["currency"]) == order["currency"]:
        return _bag(amount, amount, order)
    return _bag(amount, (amount * _rate(order)).quantize(_CENT), order)


def shop_amount(of: Payload, name: str) -> Decimal:
    both = of.get(f"{name}_set")
    return Decimal(str(of.get(name) or 0)) if both is None else _amount(both, "shop_money")


def refunded(shop: Shop, order: Payload) -> Decimal:
    return sum((refund_total(each) for each in shop.refunds_of(order)), _NOTHING)


def refund_total(refund: Payload) -> Decimal:
    """What went back to the customer: what was paid, or else what the goods were worth."""
    paid = _sum(refund.get("transactions"), "amount")
    if paid:
        return paid
    lines = refund.get("refund_line_items")
    return _sum(lines, "subtotal") + _sum(lines, "total_tax")


def net_total(shop: Shop, order: Payload) -> Decimal:
    return shop_amount(order, "total_price") - refunded(shop, order)


def _sum(things: Iterable[Payload] | None, name: str) -> Decimal:
    return sum((shop_amount(each, name) for each in things or ()), _NOTHING)


def _amount(both: Payload, which: str) -> Decimal:
    return Decimal(str((both.get(which) or both["shop_money"])["amount"]))


def _rate(order: Payload) -> Decimal:
    both: dict[str, Any] = order.get("total_price_set") or {}
    if not both or not _amount(both, "shop_money"):
        return Decimal(1)
    return _amount(both, "presentment_money") / _amount(both, "shop_money")


def _bag(shop_money: Decimal, presentment: Decimal, order: Payload) -> View:
    foreign = str(order.get("presentment_currency", order["currency"]))
    return View(
        "MoneyBag",
        {
            "shopMoney": money(shop_money, order["currency"]),
            "presentmentMoney": money(presentment, foreign),
        },
    )
