"""Metafields: an app's own values on what is in the shop."""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from infra.demo_shop.admin.api.errors import UserError, done, refused
from infra.demo_shop.admin.api.ids import exists, split
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.records import Metafield
from infra.demo_shop.admin.api.refusals import access_denied
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View, gid, instant

_TYPE: Final = "Metafield"
_MOST: Final = 25
_OWN: Final = "$app"
_OWN_NAMESPACE: Final = "app--1"
_SCOPES: Final = {
    "Customer": "write_customers",
    "Order": "write_orders",
    "Product": "write_products",
    "DiscountCodeNode": "write_discounts",
    "DiscountNode": "write_discounts",
}
_OWNER_TYPES: Final = {
    "Customer": "CUSTOMER",
    "Order": "ORDER",
    "Product": "PRODUCT",
    "DiscountCodeNode": "DISCOUNT",
    "DiscountNode": "DISCOUNT",
    "Shop": "SHOP",
}
_KINDS: Final[dict[str, Callable[[str], object]]] = {
    "single_line_text_field": str,
    "multi_line_text_field": str,
    "number_integer": int,
    "number_decimal": Decimal,
    "boolean": {"true": True, "false": False}.__getitem__,
    "date": date.fromisoformat,
    "date_time": datetime.fromisoformat,
    "json": json.loads,
    "id": str,
}


def metafield_view(field: Metafield) -> View:
    return View(
        _TYPE,
        {
            "id": gid(_TYPE, field.number),
            "legacyResourceId": str(field.number),
            "namespace": field.namespace,
            "key": field.key,
            "type": field.type,
            "value": field.value,
            "jsonValue": json.loads(field.value) if field.type == "json" else field.value,
            "compareDigest": _digest(field),
            "createdAt": instant(field.created_at),
            "updatedAt": instant(field.updated_at),
            "sizeInBytes": len(field.value.encode()),
            "ownerType": _OWNER_TYPES[split(field.owner)[0]],
            "owner": lambda ask, _: ask.node(*split(field.owner)),
        },
    )


def metafield_fields(owner: str) -> dict[str, Resolver]:
    """What everything that can have metafields has."""

    def one(ask: Ask, args: Arguments) -> View | None:
        found = _find(ask.shop, owner, args.get("namespace"), args["key"])
        return None if found is None else metafield_view(found)

    def several(ask: Ask, args: Arguments) -> View:
        wanted = args.get("namespace") and _namespace(args["namespace"])
        fields = [
            each
            for each in ask.shop.metafields.values()
            if each.owner == owner and (not wanted or each.namespace == wanted)
        ]
        return connection(ask, args, fields, METAFIELDS)

    return {"metafield": one, "metafields": several}


def _namespace(given: str | None) -> str:
    return (given or _OWN).replace(_OWN, _OWN_NAMESPACE)


def _find(shop: Shop, owner: str, namespace: str | None, key: str) -> Metafield | None:
    place = (owner, _namespace(namespace), key)
    fields = shop.metafields.values()
    return next((each for each in fields if (each.owner, each.namespace, each.key) == place), None)


def _digest(field: Metafield) -> str:
    return sha256(f"{field.number}/{field.value}".encode()).hexdigest()


def _problems(ask: Ask, place: int, given: Any) -> Iterator[UserError]:
    way = ("metafields", str(place))
    if not exists(ask.shop, given["ownerId"]):
        yield UserError((*way, "ownerId"), "Owner does not exist.", "INVALID")
        return
    if not 2 <= len(given["key"]) <= 64:
        code = "TOO_SHORT" if len(given["key"]) < 2 else "TOO_LONG"
        yield UserError((*way, "key"), "Key must be between 2 and 64 characters.", code)
    if not given["value"]:
        yield UserError((*way, "value"), "Value can't be blank.", "BLANK")
    known = _find(ask.shop, given["ownerId"], given.get("namespace"), given["key"])
    if "compareDigest" in given:
        wanted = given["compareDigest"]
        if wanted != (None if known is None else _digest(known)):
            message = (
                "The resource has been updated since it was loaded. "
                "Try again with an updated `compareDigest` value."
            )
            yield UserError((*way, "compareDigest"), message, "STALE_OBJECT")
    kind = given.get("type") or (known.type if known else None)
    if kind is None:
        yield UserError((*way, "type"), "Type can't be blank", "BLANK")
    elif kind not in _KINDS:
        message = f"Type must be one of the following: {', '.join(_KINDS)}."
        yield UserError((*way, "type"), message, "INCLUSION")
    elif given["value"]:
        try:
            _KINDS[kind](given["value"])
        except (ValueError, KeyError, ArithmeticError):
            yield UserError((*way, "value"), f"Value must be of type {kind}.", "INVALID_VALUE")


def _set(ask: Ask, args: Arguments) -> View:
    """All of them or none."""
    payload, error_type = "MetafieldsSetPayload", "MetafieldsSetUserError"
    given: list[Any] = args["metafields"]
    for each in given:
        scope = _SCOPES.get(split(each["ownerId"])[0])
        if scope is not None and scope not in ask.scopes:
            raise access_denied("metafieldsSet", (scope,))
    if len(given) > _MOST:
        message = f"Exceeded the maximum metafields input limit of {_MOST}."
        error = UserError(("metafields",), message, "LESS_THAN_OR_EQUAL_TO")
        return refused(payload, error_type, [error], "metafields")
    errors = [error for place, each in enumerate(given) for error in _problems(ask, place, each)]
    if errors:
        return refused(payload, error_type, errors, "metafields")
    return done(payload, metafields=[metafield_view(_put(ask, each)) for each in given])


def _put(ask: Ask, given: Any) -> Metafield:
    known = _find(ask.shop, given["ownerId"], given.get("namespace"), given["key"])
    if known is not None:
        known.value, known.updated_at = given["value"], ask.now
        known.type = given.get("type") or known.type
        return known
    field = Metafield(
        number=ask.shop.numbers.next(),
        owner=given["ownerId"],
        namespace=_namespace(given.get("namespace")),
        key=given["key"],
        type=given["type"],
        value=given["value"],
        created_at=ask.now,
        updated_at=ask.now,
    )
    ask.shop.metafields.put(field.number, field)
    return field


METAFIELDS: Final = Listing(
    _TYPE,
    metafield_view,
    lambda field: field.number,
    lambda shop, number: shop.metafields.get(number),
)
METAFIELD_MUTATIONS: Final[dict[str, Resolver]] = {"metafieldsSet": _set}
