"""Orders, their lines and refunds, from what webhooks tell of them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from infra.demo_shop.admin.api.amounts import (
    bag,
    bag_of,
    refund_total,
    refunded,
    shop_amount,
)
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.metafields import metafield_fields
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.refusals import unknown
from infra.demo_shop.admin.api.search import matching
from infra.demo_shop.admin.api.shop import Payload
from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View, count, gid, instant

_TYPE: Final = "Order"


def order_view(order: Payload) -> View:
    number = str(order["id"])
    codes = [each["code"] for each in order.get("discount_codes") or ()]
    buyer = order.get("customer")
    cancelled_at, reason = order.get("cancelled_at"), order.get("cancel_reason")
    status = order.get("financial_status")
    return View(
        _TYPE,
        {
            "id": gid(_TYPE, number),
            "legacyResourceId": number,
            "name": order.get("name") or f"#{number}",
            "number": order.get("order_number", int(number)),
            "test": bool(order.get("test")),
            "confirmed": True,
            "sourceName": order.get("source_name"),
            "email": order.get("email"),
            "phone": order.get("phone"),
            "note": order.get("note"),
            "tags": [each.strip() for each in (order.get("tags") or "").split(",") if each.strip()],
            "customerLocale": order.get("customer_locale"),
            "createdAt": instant(order["created_at"]),
            "processedAt": instant(order.get("processed_at") or order["created_at"]),
            "updatedAt": instant(order.get("updated_at") or order["created_at"]),
            "cancelledAt": instant(cancelled_at),
            "cancelReason": reason.upper() if reason else None,
            "closed": False,
            "closedAt": None,
            "displayFinancialStatus": status.upper() if status else None,
            "displayFulfillmentStatus": (order.get("fulfillment_status") or "unfulfilled").upper(),
            "fullyPaid": status in ("paid", "partially_refunded", "refunded"),
            "unpaid": status in ("pending", "voided"),
            "currencyCode": order["currency"],
            "presentmentCurrencyCode": order.get("presentment_currency", order["currency"]),
            "taxesIncluded": bool(order.get("taxes_included")),
            "discountCode": codes[0] if codes else None,
            "discountCodes": codes,
            "subtotalPriceSet": bag(order, "subtotal_price", order),
            "currentSubtotalPriceSet": _current(order, "subtotal_price"),
            "totalPriceSet": bag(order, "total_price", order),
            "originalTotalPriceSet": bag(order, "total_price", order),
            "currentTotalPriceSet": _current(order, "total_price"),
            "totalTaxSet": bag(order, "total_tax", order),
            "totalDiscountsSet": bag(order, "total_discounts", order),
            "totalShippingPriceSet": _shipping(order),
            "totalRefundedSet": lambda ask, _: bag_of(refunded(ask.shop, order), order),
            "subtotalLineItemsQuantity": sum(each["quantity"] for each in _lines(order)),
            "customer": lambda ask, _: ask.node("Customer", buyer and buyer["id"]),
            "lineItems": lambda ask, args: connection(
                ask, args, _lines(order), _line_listing(order, _gone(ask, order))
            ),
            "refunds": lambda ask, args: _refunds(ask, args, order),
            "discountApplications": lambda ask, args: connection(
                ask, args, enumerate(codes), _application_listing(order)
            ),
            **metafield_fields(gid(_TYPE, number)),
        },
    )


def _lines(order: Payload) -> list[Payload]:
    return order.get("line_items") or []


def _current(order: Payload, name: str) -> View:
    """As it is after edits and refunds; a payload without it has seen neither."""
    current = f"current_{name}"
    there = current in order or f"{current}_set" in order
    return bag(order, current if there else name, order)


def _shipping(order: Payload) -> View:
    if "total_shipping_price_set" in order:
        return bag(order, "total_shipping_price", order)
    lines = order.get("shipping_lines") or ()
    return bag_of(sum((shop_amount(each, "price") for each in lines), Decimal(0)), order)


def _gone(ask: Ask, order: Payload) -> dict[str, int]:
    """How many pieces of each line went back."""
    gone: dict[str, int] = {}
    for refund in ask.shop.refunds_of(order):
        for each in refund.get("refund_line_items") or ():
            line = str(each["line_item_id"])
            gone[line] = gone.get(line, 0) + each["quantity"]
    return gone


def _line_listing(order: Payload, gone: dict[str, int]) -> Listing:
    return Listing(
        "LineItem", lambda line: _line_view(order, line, gone), lambda line: int(line["id"])
    )


def _line_view(order: Payload, line: Payload, gone: dict[str, int]) -> View:
    quantity = line["quantity"]
    price = shop_amount(line, "price")
    off = sum((shop_amount(each, "amount") for each in _allocations(line)), Decimal(0))
    left = max(quantity - gone.get(str(line["id"]), 0), 0)
    product, variant = line.get("product_id"), line.get("variant_id")
    title = line.get("title") or ""
    return View(
        "LineItem",
        {
            "id": gid("LineItem", line["id"]),
            "title": title,
            "name": line.get("name") or title,
            "sku": line.get("sku"),
            "vendor": line.get("vendor"),
            "variantTitle": line.get("variant_title"),
            "quantity": quantity,
            "currentQuantity": left,
            "refundableQuantity": left,
            "isGiftCard": bool(line.get("gift_card")),
            "requiresShipping": bool(line.get("requires_shipping", True)),
            "taxable": bool(line.get("taxable", True)),
            "originalUnitPriceSet": bag(line, "price", order),
            "originalTotalSet": bag_of(price * quantity, order),
            "discountedTotalSet": bag_of(price * quantity - off, order),
            "totalDiscountSet": bag_of(off, order),
            "discountAllocations": [_allocation_view(order, each) for each in _allocations(line)],
            "product": lambda ask, _: ask.node("Product", product),
            "variant": lambda ask, _: ask.node("ProductVariant", variant),
        },
    )


def _allocations(line: Payload) -> list[Payload]:
    return line.get("discount_allocations") or []


def _allocation_view(order: Payload, allocation: Payload) -> View:
    codes = [each["code"] for each in order.get("discount_codes") or ()]
    index = allocation.get("discount_application_index", 0)
    application: Any = None
    if index < len(codes):
        application = _application_view(order, (index, codes[index]))
    return View(
        "DiscountAllocation",
        {
            "allocatedAmountSet": bag(allocation, "amount", order),
            "discountApplication": application,
        },
    )


def _application_listing(order: Payload) -> Listing:
    return Listing(
        "DiscountApplication",
        lambda placed: _application_view(order, placed),
        lambda placed: int(placed[0]),
    )


def _application_view(order: Payload, placed: tuple[int, str]) -> View:
    index, code = placed
    kind = order["discount_codes"][index].get("type")
    shipping = kind == "shipping"
    return View(
        "DiscountCodeApplication",
        {
            "index": index,
            "code": code,
            "allocationMethod": "ACROSS",
            "targetSelection": "ALL",
            "targetType": "SHIPPING_LINE" if shipping else "LINE_ITEM",
        },
    )


def _refunds(ask: Ask, args: Arguments, order: Payload) -> list[View]:
    refunds = ask.shop.refunds_of(order)
    return [_refund_view(order, each) for each in refunds[: args.get("first")]]


def _refund_view(order: Payload, refund: Payload) -> View:
    at = refund.get("created_at") or refund.get("processed_at") or order["created_at"]
    return View(
        "Refund",
        {
            "id": gid("Refund", refund["id"]),
            "legacyResourceId": str(refund["id"]),
            "note": refund.get("note"),
            "createdAt": instant(at),
            "processedAt": instant(refund.get("processed_at") or at),
            "updatedAt": instant(at),
            "order": lambda ask, _: ask.node(_TYPE, order["id"]),
            "totalRefundedSet": bag_of(refund_total(refund), order),
            "refundLineItems": lambda ask, args: connection(
                ask,
                args,
                refund.get("refund_line_items") or (),
                _refund_line_listing(order, _gone(ask, order)),
            ),
            "orderAdjustments": lambda ask, args: connection(
                ask, args, refund.get("order_adjustments") or (), _adjustment_listing(order)
            ),
            "transactions": lambda ask, args: connection(
                ask, args, refund.get("transactions") or (), _transaction_listing(order)
            ),
        },
    )


def _refund_line_listing(order: Payload, gone: dict[str, int]) -> Listing:
    lines = {str(each["id"]): each for each in _lines(order)}

    def view(line: Payload) -> View:
        sold = lines.get(str(line["line_item_id"])) or line["line_item"]
        restock = (line.get("restock_type") or "no_restock").upper()
        return View(
            "RefundLineItem",
            {
                "id": gid("RefundLineItem", line["id"]),
                "quantity": line["quantity"],
                "restockType": restock,
                "restocked": restock != "NO_RESTOCK",
                "subtotalSet": bag(line, "subtotal", order),
                "totalTaxSet": bag(line, "total_tax", order),
                "priceSet": bag(sold, "price", order),
                "lineItem": _line_view(order, sold, gone),
            },
        )

    return Listing("RefundLineItem", view, lambda line: int(line["id"]))


def _adjustment_listing(order: Payload) -> Listing:
    def view(adjustment: Payload) -> View:
        return View(
            "OrderAdjustment",
            {
                "id": gid("OrderAdjustment", adjustment["id"]),
                "amountSet": bag(adjustment, "amount", order),
                "taxAmountSet": bag(adjustment, "tax_amount", order),
                "reason": "REFUND_DISCREPANCY",
            },
        )

    return Listing("OrderAdjustment", view, lambda adjustment: int(adjustment["id"]))


def _transaction_listing(order: Payload) -> Listing:
    def view(made: Payload) -> View:
        return View(
            "OrderTransaction",
            {
                "id": gid("OrderTransaction", made["id"]),
                "kind": (made.get("kind") or "refund").upper(),
                "status": (made.get("status") or "success").upper(),
                "amountSet": bag(made, "amount", order),
                "test": bool(order.get("test")),
                "createdAt": instant(made.get("created_at") or order["created_at"]),
                "processedAt": instant(made.get("processed_at") or made.get("created_at")),
                "gateway": made.get("gateway"),
            },
        )

    return Listing("OrderTransaction", view, lambda made: int(made["id"]))


def _customer_id(order: Payload) -> int | None:
    buyer = order.get("customer")
    return None if buyer is None else int(buyer["id"])


def _at(name: str) -> Callable[[Payload], datetime]:
    return lambda order: datetime.fromisoformat(order.get(name) or order["created_at"])


def _time(name: str) -> Callable[[Payload], float]:
    at = _at(name)
    return lambda order: at(order).timestamp()


ORDERS: Final = Listing(
    _TYPE,
    order_view,
    lambda order: int(order["id"]),
    lambda shop, number: shop.orders.get(number),
    {
        "CREATED_AT": _time("created_at"),
        "UPDATED_AT": _time("updated_at"),
        "PROCESSED_AT": _time("processed_at"),
        "ORDER_NUMBER": lambda order: order.get("order_number", 0),
        "TOTAL_PRICE": lambda order: float(shop_amount(order, "total_price")),
    },
    {
        "id": lambda order: int(order["id"]),
        "name": lambda order: [order.get("name"), (order.get("name") or "").lstrip("#")],
        "email": lambda order: order.get("email"),
        "customer_id": _customer_id,
        "financial_status": lambda order: order.get("financial_status"),
        "source_name": lambda order: order.get("source_name"),
        "discount_code": lambda order: [each["code"] for each in order.get("discount_codes") or ()],
        "status": lambda order: ["any", "cancelled" if order.get("cancelled_at") else "open"],
        "test": lambda order: bool(order.get("test")),
        "created_at": _at("created_at"),
        "updated_at": _at("updated_at"),
        "processed_at": _at("processed_at"),
    },
)


def _by_identifier(ask: Ask, args: Arguments) -> View | None:
    if (wanted := args["identifier"].get("id")) is None:
        raise unknown("orders by a metafield")
    return ask.node(_TYPE, number_in(wanted, _TYPE))


def _count(ask: Ask, args: Arguments) -> View:
    return count(len(matching(ask.shop.orders.values(), args.get("query"), ORDERS.search)))


def _refund_by_id(ask: Ask, args: Arguments) -> View | None:
    number = number_in(args["id"], "Refund")
    for order in ask.shop.orders.values():
        for refund in ask.shop.refunds_of(order):
            if str(refund["id"]) == number:
                return _refund_view(order, refund)
    return None


ORDER_QUERIES: Final[dict[str, Resolver]] = {
    "refund": _refund_by_id,
    "orderByIdentifier": _by_identifier,
    "orders": lambda ask, args: connection(ask, args, ask.shop.orders.values(), ORDERS),
    "ordersCount": _count,
}
