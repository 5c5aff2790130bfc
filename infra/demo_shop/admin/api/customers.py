"""Customers, with what follows from their orders."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from infra.demo_shop.admin.api.amounts import net_total
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.metafields import metafield_fields
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.refusals import unknown
from infra.demo_shop.admin.api.search import matching
from infra.demo_shop.admin.api.shop import Payload
from infra.demo_shop.admin.api.views import (
    Arguments,
    Ask,
    Resolver,
    View,
    count,
    gid,
    instant,
    money,
)

_TYPE: Final = "Customer"


def customer_view(customer: Payload) -> View:
    number = str(customer["id"])
    email, phone = customer.get("email"), customer.get("phone")
    names = [customer.get("first_name"), customer.get("last_name")]
    owner = gid(_TYPE, number)
    return View(
        _TYPE,
        {
            "id": owner,
            "legacyResourceId": number,
            "firstName": names[0],
            "lastName": names[1],
            "displayName": " ".join(filter(None, names)) or email or "",
            "email": email,
            "phone": phone,
            "defaultEmailAddress": _email(email),
            "defaultPhoneNumber": _phone(phone),
            "locale": customer.get("locale") or "en",
            "state": (customer.get("state") or "disabled").upper(),
            "verifiedEmail": bool(customer.get("verified_email", True)),
            "tags": _tags(customer),
            "note": customer.get("note"),
            "taxExempt": False,
            "createdAt": instant(customer["created_at"]),
            "updatedAt": instant(customer.get("updated_at") or customer["created_at"]),
            "defaultAddress": _address(customer.get("default_address")),
            "numberOfOrders": lambda ask, _: str(len(ask.shop.orders_of(number))),
            "amountSpent": lambda ask, _: _spent(ask, number),
            "lastOrder": lambda ask, _: _last_order(ask, number),
            "orders": lambda ask, args: connection(
                ask, args, ask.shop.orders_of(number), ask.kinds["Order"]
            ),
            "storeCreditAccounts": lambda ask, args: connection(
                ask,
                args,
                [each for each in ask.shop.credit.values() if each.customer_id == number],
                ask.kinds["StoreCreditAccount"],
            ),
            **metafield_fields(owner),
        },
    )


def _email(email: str | None) -> View | None:
    if email is None:
        return None
    return View("CustomerEmailAddress", {"emailAddress": email, "validFormat": True})


def _phone(phone: str | None) -> View | None:
    return None if phone is None else View("CustomerPhoneNumber", {"phoneNumber": phone})


def _tags(customer: Payload) -> list[str]:
    return [each.strip() for each in (customer.get("tags") or "").split(",") if each.strip()]


def _address(address: Payload | None) -> View | None:
    if address is None:
        return None
    names = (("firstName", "first_name"), ("lastName", "last_name"), ("city", "city"))
    fields = {name: address.get(spelled) for name, spelled in names}
    return View("MailingAddress", {**fields, "phone": address.get("phone")})


def _spent(ask: Ask, number: str) -> View:
    """Of orders that count: no test orders, none that were cancelled."""
    total = sum(
        (
            net_total(ask.shop, order)
            for order in ask.shop.orders_of(number)
            if not (order.get("test") or order.get("cancelled_at"))
        ),
        Decimal(0),
    )
    return money(total, ask.shop.currency)


def _last_order(ask: Ask, number: str) -> View | None:
    orders = ask.shop.orders_of(number)
    if not orders:
        return None
    newest = max(orders, key=lambda order: datetime.fromisoformat(order["created_at"]))
    return ask.kinds["Order"].view(newest)


def _at(name: str) -> Any:
    return lambda customer: datetime.fromisoformat(customer.get(name) or customer["created_at"])


CUSTOMERS: Final = Listing(
    _TYPE,
    customer_view,
    lambda customer: int(customer["id"]),
    lambda shop, number: shop.customer(number),
    {
        "CREATED_AT": lambda customer: _at("created_at")(customer).timestamp(),
        "UPDATED_AT": lambda customer: _at("updated_at")(customer).timestamp(),
        "NAME": lambda customer: f"{customer.get('last_name')}, {customer.get('first_name')}",
    },
    {
        "id": lambda customer: int(customer["id"]),
        "email": lambda customer: customer.get("email"),
        "phone": lambda customer: customer.get("phone"),
        "first_name": lambda customer: customer.get("first_name"),
        "last_name": lambda customer: customer.get("last_name"),
        "state": lambda customer: customer.get("state") or "disabled",
        "tag": _tags,
        "customer_date": _at("created_at"),
        "created_at": _at("created_at"),
        "updated_at": _at("updated_at"),
    },
)


def _by_identifier(ask: Ask, args: Arguments) -> View | None:
    given = args["identifier"]
    if (wanted := given.get("id")) is not None:
        return ask.node(_TYPE, number_in(wanted, _TYPE))
    if "customId" in given:
        raise unknown("customers by a metafield")
    field = "email" if "emailAddress" in given else "phone"
    value = (given.get("emailAddress") or given.get("phoneNumber") or "").casefold()
    for customer in ask.shop.customers.values():
        if (customer.get(field) or "").casefold() == value:
            return customer_view(customer)
    return None


def _count(ask: Ask, args: Arguments) -> View:
    found = matching(ask.shop.customers.values(), args.get("query"), CUSTOMERS.search)
    return count(len(found))


CUSTOMER_QUERIES: Final[dict[str, Resolver]] = {
    "customerByIdentifier": _by_identifier,
    "customers": lambda ask, args: connection(ask, args, ask.shop.customers.values(), CUSTOMERS),
    "customersCount": _count,
}
