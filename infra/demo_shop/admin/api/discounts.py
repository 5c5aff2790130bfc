"""Discounts with a code: made, looked up, ended, taken away."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from infra.demo_shop.admin.api.discount_rules import customers_of, problems
from infra.demo_shop.admin.api.errors import UserError, done, refused
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.records import Discount
from infra.demo_shop.admin.api.shop_details import app
from infra.demo_shop.admin.api.views import (
    Arguments,
    Ask,
    Resolver,
    View,
    amount_text,
    count,
    gid,
    instant,
    money,
)

NODE: Final = "DiscountCodeNode"
_ERROR: Final = "DiscountUserError"
_GONE: Final = UserError(("id",), "Code discount does not exist.", "INVALID")
_INPUTS: Final = {
    "Basic": "basicCodeDiscount",
    "FreeShipping": "freeShippingCodeDiscount",
    "Bxgy": "bxgyCodeDiscount",
}
_CLASSES: Final = {"Basic": "ORDER", "FreeShipping": "SHIPPING", "Bxgy": "PRODUCT"}


def code_node(discount: Discount) -> View:
    return View(
        NODE,
        {
            "id": gid(NODE, discount.number),
            "codeDiscount": lambda ask, _: _view(ask, discount),
        },
    )


def discount_node(discount: Discount) -> View:
    return View(
        "DiscountNode",
        {
            "id": gid("DiscountNode", discount.number),
            "discount": lambda ask, _: _view(ask, discount),
        },
    )


def _view(ask: Ask, discount: Discount) -> View:
    given = discount.given
    fields: dict[str, Any] = {
        "title": discount.title,
        "status": discount.status(ask.now),
        "startsAt": instant(discount.starts_at),
        "endsAt": instant(discount.ends_at),
        "createdAt": instant(discount.created_at),
        "updatedAt": instant(discount.updated_at),
        "usageLimit": discount.usage_limit,
        "appliesOncePerCustomer": discount.once_per_customer,
        "asyncUsageCount": len(discount.uses),
        "codesCount": count(1),
        "codes": lambda asked, args: connection(asked, args, [discount], _CODES),
        "context": lambda _, __: _context(ask, discount),
        "combinesWith": _combines_with(given.get("combinesWith") or {}),
        "discountClasses": [_class_of(discount)],
        "tags": list(given.get("tags") or ()),
    }
    if discount.kind != "Bxgy":
        fields["minimumRequirement"] = _minimum(ask, given.get("minimumRequirement") or {})
        fields["recurringCycleLimit"] = given.get("recurringCycleLimit")
    if discount.kind == "FreeShipping":
        most = given.get("maximumShippingPrice")
        fields["maximumShippingPrice"] = None if most is None else money(most, ask.shop.currency)
        fields["destinationSelection"] = View("DiscountCountryAll", {"allCountries": True})
        fields["appliesOnOneTimePurchase"] = given.get("appliesOnOneTimePurchase", True)
        fields["appliesOnSubscription"] = given.get("appliesOnSubscription", False)
    else:
        fields["customerGets"] = _gets(ask, given["customerGets"])
    if discount.kind == "Bxgy":
        fields["usesPerOrderLimit"] = given.get("usesPerOrderLimit")
        fields["customerBuys"] = _buys(ask, given["customerBuys"])
    return View(f"DiscountCode{discount.kind}", fields)


def _class_of(discount: Discount) -> str:
    items = (discount.given.get("customerGets") or {}).get("items") or {}
    if discount.kind == "Basic" and not items.get("all"):
        return "PRODUCT"
    return _CLASSES[discount.kind]


def _context(ask: Ask, discount: Discount) -> View:
    if discount.customers is None:
        return View("DiscountBuyerSelectionAll", {"all": "ALL"})
    known = [ask.node("Customer", each) for each in sorted(discount.customers)]
    return View("DiscountCustomers", {"customers": [each for each in known if each is not None]})


def _combines_with(given: Mapping[str, Any]) -> View:
    names = ("orderDiscounts", "productDiscounts", "shippingDiscounts")
    return View("DiscountCombinesWith", {name: bool(given.get(name)) for name in names})


def _minimum(ask: Ask, given: Mapping[str, Any]) -> View | None:
    if subtotal := given.get("subtotal"):
        least = money(subtotal["greaterThanOrEqualToSubtotal"], ask.shop.currency)
        return View("DiscountMinimumSubtotal", {"greaterThanOrEqualToSubtotal": least})
    if quantity := given.get("quantity"):
        most = str(quantity["greaterThanOrEqualToQuantity"])
        return View("DiscountMinimumQuantity", {"greaterThanOrEqualToQuantity": most})
    return None


def _gets(ask: Ask, given: Mapping[str, Any]) -> View:
    return View(
        "DiscountCustomerGets",
        {
            "appliesOnOneTimePurchase": given.get("appliesOnOneTimePurchase", True),
            "appliesOnSubscription": given.get("appliesOnSubscription", False),
            "items": _items(ask, given.get("items") or {}),
            "value": _value(ask, given["value"]),
        },
    )


def _value(ask: Ask, given: Mapping[str, Any]) -> View:
    if given.get("percentage") is not None:
        return View("DiscountPercentage", {"percentage": given["percentage"]})
    if amount := given.get("discountAmount"):
        each = bool(amount.get("appliesOnEachItem"))
        off = money(amount["amount"], ask.shop.currency)
        return View("DiscountAmount", {"amount": off, "appliesOnEachItem": each})
    free = given["discountOnQuantity"]
    return View(
        "DiscountOnQuantity",
        {
            "effect": _value(ask, _effect(ask, free["effect"])),
            "quantity": View("DiscountQuantity", {"quantity": str(free["quantity"])}),
        },
    )


def _effect(_: Ask, given: Mapping[str, Any]) -> Mapping[str, Any]:
    if given.get("percentage") is not None:
        return {"percentage": given["percentage"]}
    return {"discountAmount": {"amount": given["amount"], "appliesOnEachItem": True}}


def _buys(ask: Ask, given: Mapping[str, Any]) -> View:
    value = given["value"]
    if value.get("quantity") is not None:
        what = View("DiscountQuantity", {"quantity": str(value["quantity"])})
    else:
        what = View("DiscountPurchaseAmount", {"amount": amount_text(value["amount"])})
    return View(
        "DiscountCustomerBuys",
        {
            "isOneTimePurchase": given.get("isOneTimePurchase", True),
            "isSubscription": given.get("isSubscription", False),
            "items": _items(ask, given.get("items") or {}),
            "value": what,
        },
    )


def _items(ask: Ask, given: Mapping[str, Any]) -> View:
    def listed(type_name: str, ids: Iterable[Any]) -> Resolver:
        kind = ask.kinds[type_name]
        found = [kind.find(ask.shop, number_in(each, type_name)) for each in ids]
        there = [each for each in found if each is not None]
        return lambda asked, args: connection(asked, args, there, kind)

    if collections := given.get("collections"):
        chosen = listed("Collection", collections.get("add") or ())
        return View("DiscountCollections", {"collections": chosen})
    if products := given.get("products"):
        return View(
            "DiscountProducts",
            {
                "products": listed("Product", products.get("productsToAdd") or ()),
                "productVariants": listed(
                    "ProductVariant", products.get("productVariantsToAdd") or ()
                ),
            },
        )
    return View("AllDiscountItems", {"allItems": True})


def _code(discount: Discount) -> View:
    return View(
        "DiscountRedeemCode",
        {
            "id": gid("DiscountRedeemCode", discount.code_number),
            "code": discount.code,
            "asyncUsageCount": len(discount.uses),
            "createdBy": lambda ask, _: app(ask.client_id),
        },
    )


_CODES: Final = Listing("DiscountRedeemCode", _code, lambda discount: discount.code_number)
_SORTS: Final = {
    "CREATED_AT": lambda discount: discount.created_at.timestamp(),
    "UPDATED_AT": lambda discount: discount.updated_at.timestamp(),
    "STARTS_AT": lambda discount: discount.starts_at.timestamp(),
    "TITLE": lambda discount: discount.title,
}
_SEARCH: Final = {
    "code": lambda discount: discount.code,
    "title": lambda discount: discount.title,
    "created_at": lambda discount: discount.created_at,
    "updated_at": lambda discount: discount.updated_at,
    "times_used": lambda discount: len(discount.uses),
}


def _found(ask: Ask, args: Arguments) -> Discount | None:
    return ask.shop.discounts.get(number_in(args["id"], NODE, "DiscountNode"))


def _create(kind: str) -> Resolver:
    name, payload = _INPUTS[kind], f"DiscountCode{kind}CreatePayload"

    def create(ask: Ask, args: Arguments) -> View:
        given: Mapping[str, Any] = args[name]
        if errors := list(problems(ask.shop, kind, name, given)):
            return refused(payload, _ERROR, errors, "codeDiscountNode")
        shop = ask.shop
        discount = Discount(
            number=shop.numbers.next(),
            kind=kind,
            given=given,
            title=given["title"],
            code=given["code"].strip(),
            starts_at=given["startsAt"],
            ends_at=given.get("endsAt"),
            customers=customers_of(given),
            usage_limit=given.get("usageLimit"),
            once_per_customer=bool(given.get("appliesOncePerCustomer")),
            created_at=ask.now,
            updated_at=ask.now,
            code_number=shop.numbers.next(),
        )
        shop.discounts.put(discount.number, discount)
        return done(payload, codeDiscountNode=code_node(discount))

    return create


def _deactivate(ask: Ask, args: Arguments) -> View:
    """It is over from now on; nobody can use it, and its code stays taken."""
    payload = "DiscountCodeDeactivatePayload"
    discount = _found(ask, args)
    if discount is None:
        return refused(payload, _ERROR, [_GONE], "codeDiscountNode")
    if discount.status(ask.now) != "EXPIRED":
        discount.ends_at = ask.now
        discount.starts_at = min(discount.starts_at, ask.now)
        discount.updated_at = ask.now
    return done(payload, codeDiscountNode=code_node(discount))


def _activate(ask: Ask, args: Arguments) -> View:
    payload = "DiscountCodeActivatePayload"
    discount = _found(ask, args)
    if discount is None:
        return refused(payload, _ERROR, [_GONE], "codeDiscountNode")
    if discount.status(ask.now) != "ACTIVE":
        discount.starts_at, discount.ends_at = min(discount.starts_at, ask.now), None
        discount.updated_at = ask.now
    return done(payload, codeDiscountNode=code_node(discount))


def _delete(ask: Ask, args: Arguments) -> View:
    """Its code is free again."""
    payload = "DiscountCodeDeletePayload"
    discount = _found(ask, args)
    if discount is None:
        return refused(payload, _ERROR, [_GONE], "deletedCodeDiscountId")
    del ask.shop.discounts[str(discount.number)]
    return done(payload, deletedCodeDiscountId=gid(NODE, discount.number))


def _by_code(ask: Ask, args: Arguments) -> View | None:
    discount = ask.shop.discount_by_code(args["code"])
    return None if discount is None else code_node(discount)


CODE_DISCOUNTS: Final = Listing(
    NODE,
    code_node,
    lambda discount: discount.number,
    lambda shop, number: shop.discounts.get(number),
    _SORTS,
    _SEARCH,
)
DISCOUNTS: Final = CODE_DISCOUNTS._replace(type="DiscountNode", view=discount_node)


def _list(how: Listing) -> Resolver:
    def listed(ask: Ask, args: Arguments) -> View:
        search = {**_SEARCH, "status": lambda discount: discount.status(ask.now)}
        return connection(ask, args, ask.shop.discounts.values(), how._replace(search=search))

    return listed


DISCOUNT_QUERIES: Final[dict[str, Resolver]] = {
    "codeDiscountNodeByCode": _by_code,
    "codeDiscountNodes": _list(CODE_DISCOUNTS),
    "discountNodes": _list(DISCOUNTS),
}


def _creations() -> Iterator[tuple[str, Resolver]]:
    for kind in _INPUTS:
        yield f"discountCode{kind}Create", _create(kind)


DISCOUNT_MUTATIONS: Final[dict[str, Resolver]] = {
    **dict(_creations()),
    "discountCodeActivate": _activate,
    "discountCodeDeactivate": _deactivate,
    "discountCodeDelete": _delete,
}
