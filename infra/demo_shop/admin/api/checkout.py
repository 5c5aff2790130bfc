"""Buying in the shop, with a code or without: what Shopify's checkout would make of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from infra.demo_shop.admin.api.catalogue import is_gift_card
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.records import Discount, Use
from infra.demo_shop.admin.api.shop import Payload, Shop
from infra.demo_shop.wire import iso

POSTAGE: Final = Decimal("7.50")
_CENT: Final = Decimal("0.01")
_NOTHING: Final = Decimal("0.00")
_TYPES: Final = {"percentage": "percentage", "amount": "fixed_amount", "shipping": "shipping"}


class CodeRefused(Exception):
    """The checkout does not take the code; the text says why."""


class NoSuchProduct(Exception):
    """The shop does not sell it."""


@dataclass(slots=True)
class Piece:
    """So many of one product (its first variant) in a basket; ``off`` is what all of them together
    are cheaper by."""

    product: Payload
    quantity: int
    off: Decimal = _NOTHING

    @property
    def price(self) -> Decimal:
        return Decimal(self.product["variants"][0]["price"])

    @property
    def total(self) -> Decimal:
        return self.price * self.quantity


def place_order(
    shop: Shop,
    wanted: Sequence[tuple[int, int]],
    *,
    customer: int | None = None,
    code: str = "",
    source: str = "web",
) -> Payload:
    """The order as ``orders/create`` tells of it; from now on it is in the shop, and the code has
    been used. ``wanted`` are ids of products and how many of each; without a ``customer`` a guest
    buys.

    Raises NoSuchProduct, or CodeRefused when the code is not for this order.
    """
    pieces = [Piece(_product(shop, number), quantity) for number, quantity in wanted]
    buyer = None if customer is None else shop.customer(str(customer))
    discount, postage_off, kind = None, _NOTHING, ""
    if code:
        discount = _usable(shop, code, buyer, pieces)
        kind, postage_off = _apply(shop, discount, pieces)
    order = _payload(shop, pieces, buyer, source)
    if discount is not None:
        _tell_of_code(order, discount.code, kind, pieces, postage_off)
        discount.uses.append(Use(str(order["id"]), "" if buyer is None else str(buyer["id"])))
    shop.hear("orders/create", order)
    return order


def _product(shop: Shop, number: int) -> Payload:
    product = shop.products.get(str(number))
    if product is None or not product.get("variants"):
        raise NoSuchProduct(f"The shop has no product {number}.")
    return product


def _usable(shop: Shop, code: str, buyer: Payload | None, pieces: list[Piece]) -> Discount:
    discount = shop.discount_by_code(code)
    if discount is None or discount.status(shop.now()) != "ACTIVE":
        raise CodeRefused("Enter a valid discount code.")
    who = "" if buyer is None else str(buyer["id"])
    if discount.customers is not None and who not in discount.customers:
        raise CodeRefused("The code is not for this customer.")
    if discount.usage_limit is not None and len(discount.uses) >= discount.usage_limit:
        raise CodeRefused("The code has been used up.")
    if discount.once_per_customer and any(each.customer_id == who for each in discount.uses):
        raise CodeRefused("The customer has used the code before.")
    _check_minimum(shop, discount, pieces)
    return discount


def _check_minimum(shop: Shop, discount: Discount, pieces: list[Piece]) -> None:
    least = discount.given.get("minimumRequirement") or {}
    items = (discount.given.get("customerGets") or {}).get("items") or {"all": True}
    counted = _entitled(_resolved(shop, items), pieces)
    if subtotal := least.get("subtotal"):
        if _sum(counted) < subtotal["greaterThanOrEqualToSubtotal"]:
            raise CodeRefused("The order is too small for the code.")
    elif quantity := least.get("quantity"):
        pieces_in_it = sum(each.quantity for each in counted)
        if pieces_in_it < quantity["greaterThanOrEqualToQuantity"]:
            raise CodeRefused("There is too little in the order for the code.")


def _entitled(items: Mapping[str, Any], pieces: Iterable[Piece]) -> list[Piece]:
    """Gift cards are never cheaper."""
    goods = [each for each in pieces if not is_gift_card(each.product)]
    if items.get("all"):
        return goods
    chosen = items.get("products") or {}
    products = {number_in(each, "Product") for each in chosen.get("productsToAdd") or ()}
    variants = {
        number_in(each, "ProductVariant") for each in chosen.get("productVariantsToAdd") or ()
    }
    return [
        each
        for each in goods
        if str(each.product["id"]) in products or str(each.product["variants"][0]["id"]) in variants
    ]


def _resolved(shop: Shop, items: Mapping[str, Any]) -> Mapping[str, Any]:
    """Collections as the products in them."""
    if not (chosen := items.get("collections")):
        return items
    collections = [number_in(each, "Collection") for each in chosen.get("add") or ()]
    products = [
        f"gid://shopify/Product/{product}"
        for number in collections
        if number in shop.collections
        for product in shop.collections[number].products
    ]
    return {"products": {"productsToAdd": products}}


def _apply(shop: Shop, discount: Discount, pieces: list[Piece]) -> tuple[str, Decimal]:
    """Makes pieces cheaper: how Shopify calls that, and what it takes off the postage."""
    if discount.kind == "FreeShipping":
        most = discount.given.get("maximumShippingPrice")
        if most is not None and most < POSTAGE:
            raise CodeRefused("The code is not for shipping as dear as this.")
        return _TYPES["shipping"], POSTAGE
    gets = discount.given["customerGets"]
    entitled = _entitled(_resolved(shop, gets.get("items") or {}), pieces)
    if not entitled:
        raise CodeRefused("Nothing in the order is cheaper by the code.")
    if discount.kind == "Bxgy":
        _give(shop, discount, pieces, entitled)
        return _TYPES["percentage"], _NOTHING
    value = gets["value"]
    if value.get("percentage") is not None:
        share = Decimal(str(value["percentage"]))
        share_out(entitled, (_sum(entitled) * share).quantize(_CENT))
        return _TYPES["percentage"], _NOTHING
    amount = value["discountAmount"]
    if amount.get("appliesOnEachItem"):
        for each in entitled:
            each.off = min(amount["amount"] * each.quantity, each.total).quantize(_CENT)
    else:
        share_out(entitled, min(amount["amount"], _sum(entitled)))
    return _TYPES["amount"], _NOTHING


def _give(shop: Shop, discount: Discount, pieces: list[Piece], entitled: list[Piece]) -> None:
    """Buy so many, get some cheaper. What is bought is not what is got."""
    buys, free = discount.given["customerBuys"], discount.given["customerGets"]["value"]
    free = free["discountOnQuantity"]
    bought = _entitled(_resolved(shop, buys.get("items") or {}), pieces)
    wanted = int(free["quantity"])
    got = 0
    left = {id(each): each.quantity for each in pieces}
    # The dearest are bought, and of those first what nobody gets.
    needed, paid = buys["value"], _NOTHING
    count = 0
    for each in sorted(bought, key=lambda piece: (piece in entitled, -piece.price)):
        while left[id(each)] and not _enough(needed, count, paid):
            left[id(each)] -= 1
            count, paid = count + 1, paid + each.price
    if not _enough(needed, count, paid):
        raise CodeRefused("Too little was bought for the code.")
    for each in sorted(entitled, key=lambda piece: piece.price):
        taken = min(left[id(each)], wanted - got)
        each.off += _effect(free["effect"], each.price) * taken
        got += taken
    if not got:
        raise CodeRefused("Nothing in the order is cheaper by the code.")


def _enough(needed: Mapping[str, Any], count: int, paid: Decimal) -> bool:
    if needed.get("quantity") is not None:
        return count >= int(needed["quantity"])
    return paid >= Decimal(needed["amount"])


def _effect(effect: Mapping[str, Any], price: Decimal) -> Decimal:
    if effect.get("percentage") is not None:
        return (price * Decimal(str(effect["percentage"]))).quantize(_CENT)
    return min(Decimal(effect["amount"]), price)


def share_out(pieces: list[Piece], off: Decimal) -> None:
    """By what each costs; what rounding leaves is taken off the last that still cost something.
    ``off`` is no more than all of them."""
    total, left = _sum(pieces), off
    for each in pieces:
        each.off = (off * each.total / total).quantize(_CENT, ROUND_DOWN) if total else _NOTHING
        left -= each.off
    for each in reversed(pieces):
        more = min(left, each.total - each.off)
        each.off += more
        left -= more


def _sum(pieces: Iterable[Piece]) -> Decimal:
    return sum((each.total for each in pieces), _NOTHING)


def _payload(shop: Shop, pieces: list[Piece], buyer: Payload | None, source: str) -> Payload:
    number, at = shop.numbers.next(), iso(shop.now())
    off = sum((each.off for each in pieces), _NOTHING)
    goods = _sum(pieces)
    postage = _NOTHING if source == "pos" else POSTAGE
    total = goods - off + postage
    email = None if buyer is None else buyer.get("email")
    return {
        "id": number,
        "admin_graphql_api_id": f"gid://shopify/Order/{number}",
        "name": f"#{len(shop.orders) + 1001}",
        "order_number": len(shop.orders) + 1001,
        "test": False,
        "source_name": source,
        "created_at": at,
        "processed_at": at,
        "updated_at": at,
        "cancelled_at": None,
        "cancel_reason": None,
        "financial_status": "paid",
        "email": email,
        "currency": shop.currency,
        "presentment_currency": shop.currency,
        "taxes_included": False,
        "total_line_items_price": str(goods),
        "total_discounts": str(off),
        "subtotal_price": str(goods - off),
        "current_subtotal_price": str(goods - off),
        "total_tax": "0.00",
        "total_price": str(total),
        "current_total_price": str(total),
        "discount_codes": [],
        "discount_applications": [],
        "customer": buyer and _brief(buyer),
        "line_items": [_line(shop, each) for each in pieces],
        "shipping_lines": [{"code": "Standard", "price": str(postage)}] if postage else [],
        "refunds": [],
    }


def _brief(buyer: Payload) -> Payload:
    names = ("id", "email", "phone", "first_name", "last_name", "created_at")
    return {name: buyer.get(name) for name in names}


def _line(shop: Shop, piece: Piece) -> Payload:
    variant = piece.product["variants"][0]
    allocation = {"amount": str(piece.off), "discount_application_index": 0}
    return {
        "id": shop.numbers.next(),
        "product_id": piece.product["id"],
        "variant_id": variant["id"],
        "title": piece.product["title"],
        "sku": variant.get("sku"),
        "quantity": piece.quantity,
        "current_quantity": piece.quantity,
        "price": str(piece.price),
        "gift_card": is_gift_card(piece.product),
        "discount_allocations": [allocation] if piece.off else [],
    }


def _tell_of_code(
    order: Payload, code: str, kind: str, pieces: list[Piece], postage_off: Decimal
) -> None:
    off = sum((each.off for each in pieces), _NOTHING) + postage_off
    order["discount_codes"] = [{"code": code, "amount": str(off), "type": kind}]
    order["discount_applications"] = [
        {
            "type": "discount_code",
            "code": code,
            "value": str(off),
            "value_type": "fixed_amount",
            "target_type": "shipping_line" if postage_off else "line_item",
            "allocation_method": "across",
        }
    ]
    if postage_off:
        order["total_discounts"] = str(off)
        order["total_price"] = order["current_total_price"] = str(
            Decimal(order["total_price"]) - postage_off
        )
        for each in order["shipping_lines"]:
            each["discounted_price"] = str(Decimal(each["price"]) - postage_off)
            each["discount_allocations"] = [
                {"amount": str(postage_off), "discount_application_index": 0}
            ]
