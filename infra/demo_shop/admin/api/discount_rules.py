"""Which discounts Shopify would not make, in its words."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from infra.demo_shop.admin.api.errors import UserError
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.shop import Shop

_LONGEST: Final = 255
_MOST_CUSTOMERS: Final = 100

Given = Mapping[str, Any]


def customers_of(given: Given) -> frozenset[str] | None:
    """The numbers of those who may use it; None for everybody."""
    chosen = (given.get("context") or given.get("customerSelection") or {}).get("customers")
    if chosen is None:
        return None
    return frozenset(number_in(each, "Customer") for each in chosen.get("add") or ())


def problems(shop: Shop, kind: str, name: str, given: Given) -> Iterator[UserError]:
    """``name`` is that of the input, which errors point into."""
    yield from _texts(shop, name, given)
    yield from _times(name, given)
    yield from _limits(name, given)
    yield from _buyers(shop, name, given)
    if kind == "Basic":
        yield from _gets(shop, (name, "customerGets"), given.get("customerGets") or {})
    elif kind == "Bxgy":
        yield from _bxgy(shop, name, given)
    elif (given.get("combinesWith") or {}).get("shippingDiscounts"):
        yield UserError(
            (name, "combinesWith"),
            "The combinesWith settings are not valid for the discount class.",
            "INVALID_COMBINES_WITH_FOR_DISCOUNT_CLASS",
        )


def _texts(shop: Shop, name: str, given: Given) -> Iterator[UserError]:
    for field, called in (("title", "Title"), ("code", "Code")):
        text = (given.get(field) or "").strip()
        if not text:
            yield UserError((name, field), f"{called} can't be blank", "BLANK")
        elif len(text) > _LONGEST:
            message = f"{called} is too long (maximum is {_LONGEST} characters)"
            yield UserError((name, field), message, "TOO_LONG")
    code = given.get("code") or ""
    if code.strip() and shop.discount_by_code(code) is not None:
        message = "Code must be unique. Please try a different code."
        yield UserError((name, "code"), message, "TAKEN")


def _times(name: str, given: Given) -> Iterator[UserError]:
    starts_at, ends_at = given.get("startsAt"), given.get("endsAt")
    if starts_at is None:
        yield UserError((name, "startsAt"), "Starts at can't be blank", "BLANK")
    elif ends_at is not None and ends_at <= starts_at:
        yield UserError((name, "endsAt"), "Ends at needs to be after starts_at", "INVALID")


def _limits(name: str, given: Given) -> Iterator[UserError]:
    for field, called in (
        ("usageLimit", "Usage limit"),
        ("usesPerOrderLimit", "Allocation limit"),
    ):
        limit = given.get(field)
        if limit is not None and limit <= 0:
            yield UserError((name, field), f"{called} must be greater than 0", "GREATER_THAN")
    least = given.get("minimumRequirement") or {}
    if least.get("subtotal") and least.get("quantity"):
        yield UserError(
            (name, "minimumRequirement"),
            "Minimum subtotal and quantity can't both be present.",
            "MINIMUM_SUBTOTAL_AND_QUANTITY_RANGE_BOTH_PRESENT",
        )


def _buyers(shop: Shop, name: str, given: Given) -> Iterator[UserError]:
    if given.get("context") is not None and given.get("customerSelection") is not None:
        message = "Only one of context or customerSelection can be provided."
        yield UserError((name, "context"), message, "INVALID")
        return
    where = "context" if given.get("context") is not None else "customerSelection"
    chosen = customers_of(given)
    if chosen is not None and not 0 < len(chosen) <= _MOST_CUSTOMERS:
        way = (name, where, "customers", "add")
        if chosen:
            message = f"A maximum of {_MOST_CUSTOMERS} customers can be added"
            yield UserError(way, message, "EXCEEDED_MAX")
        else:
            yield UserError(way, "Customers can't be blank", "BLANK")
    for each in sorted(chosen or ()):
        if shop.customer(each) is None:
            message = f"Customer with id: {each} is invalid"
            yield UserError((name, where, "customers", "add"), message, "INVALID")


def _gets(shop: Shop, way: tuple[str, ...], given: Given) -> Iterator[UserError]:
    value = given.get("value") or {}
    ways = [
        each
        for each in ("percentage", "discountAmount", "discountOnQuantity")
        if value.get(each) is not None
    ]
    if len(ways) != 1:
        yield UserError((*way, "value"), "Value must be given in one way", "INVALID")
    percentage = value.get("percentage")
    if percentage is not None and not 0 < percentage <= 1:
        yield _outside((*way, "value", "percentage"), "between 0.0 and 1.0")
    amount = value.get("discountAmount")
    if amount is not None and not (amount.get("amount") or Decimal(0)) > 0:
        yield _outside((*way, "value", "discountAmount", "amount"), "greater than 0.0")
    yield from _items(shop, (*way, "items"), given.get("items"))


def _bxgy(shop: Shop, name: str, given: Given) -> Iterator[UserError]:
    buys, gets = given.get("customerBuys") or {}, given.get("customerGets") or {}
    if (gets.get("items") or {}).get("all"):
        message = "Items in 'customer get' cannot be set to all"
        yield UserError((name, "customerGets"), message, "INVALID")
    if not buys.get("items"):
        message = "Items in 'customer buys' must be defined"
        yield UserError((name, "customerBuys", "items"), message, "BLANK")
    else:
        yield from _items(shop, (name, "customerBuys", "items"), buys["items"])
    if not buys.get("value"):
        yield UserError((name, "customerBuys", "value"), "Value can't be blank", "BLANK")
    if (gets.get("value") or {}).get("discountOnQuantity") is None:
        yield UserError(
            (name, "customerGets", "value"), "Only discountOnQuantity permitted.", "INVALID"
        )
        return
    effect = gets["value"]["discountOnQuantity"].get("effect") or {}
    way = (name, "customerGets", "value", "discountOnQuantity", "effect", "percentage")
    if effect.get("percentage") is not None and not 0 < effect["percentage"] <= 1:
        yield _outside(way, "between 0.0 and 1.0")
    yield from _items(shop, (name, "customerGets", "items"), gets.get("items"))


def _items(shop: Shop, way: tuple[str, ...], given: Given | None) -> Iterator[UserError]:
    if not given:
        yield UserError(way, "Items can't be blank", "BLANK")
        return
    products = (given.get("products") or {}).get("productsToAdd") or ()
    variants = (given.get("products") or {}).get("productVariantsToAdd") or ()
    collections = (given.get("collections") or {}).get("add") or ()
    if collections and (products or variants):
        message = "Cannot entitle collections in combination with product variants or products"
        yield UserError((*way, "collections", "add"), message, "CONFLICT")
        return
    if not (given.get("all") or products or variants or collections):
        yield UserError(way, "Discount applies on nothing", "APPLIES_ON_NOTHING")
    known_variants = {
        str(variant["id"])
        for product in (shop.products.values() if variants else ())
        for variant in product.get("variants") or ()
    }
    checks: tuple[tuple[Any, str, str, tuple[str, ...], Callable[[str], bool]], ...] = (
        (
            collections,
            "Collection",
            "Collection",
            ("collections", "add"),
            shop.collections.__contains__,
        ),
        (products, "Product", "Product", ("products", "productsToAdd"), shop.products.__contains__),
        (
            variants,
            "ProductVariant",
            "Product variant",
            ("products", "productVariantsToAdd"),
            known_variants.__contains__,
        ),
    )
    for ids, type_name, called, more, known in checks:
        for each in ids:
            number = number_in(each, type_name)
            if not known(number):
                message = f"{called} with id: {number} is invalid"
                yield UserError((*way, *more), message, "INVALID")


def _outside(way: tuple[str, ...], range_: str) -> UserError:
    return UserError(way, f"Value must be {range_}", "VALUE_OUTSIDE_RANGE")
