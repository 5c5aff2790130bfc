"""Orders and refunds: what was bought and given back, in the shop's own currency."""

from collections.abc import Container
from datetime import datetime
from decimal import Decimal
from typing import Final

from adapters.shopify.context import Sealing
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.payloads import OrderLine, OrderPayload, RefundPayload
from adapters.shopify.people import order_customer
from adapters.shopify.values import ZERO, shop_amount, text, utc
from contracts.shop import Line, Order, Refund, digest_of_checkout

_POS: Final = "pos"  # a till of Shopify's; an app's own has the app's name
_FULFILLED: Final = "fulfilled"  # all of it; "partial" is not
_AMOUNT_ONLY: Final = "refund_discrepancy"  # an adjustment that belongs to no goods and no shipping


def order(payload: OrderPayload, to: Sealing) -> Order:
    """Raises MalformedPayload for an amount or instant that is none."""
    lines = tuple(_line(item, n) for n, item in enumerate(payload.line_items or ()))
    gift_lines = frozenset(line.line_id for line in lines if line.gift_card)
    created_at = utc(payload.created_at, "/created_at")
    order_id = str(payload.id)
    cancelled_at, refunds, codes = payload.cancelled_at, payload.refunds, payload.discount_codes
    return Order(
        order_id=order_id,
        number=text(payload.name),
        currency=payload.currency,
        test=payload.test is True,
        source=text(payload.source_name),
        financial_status=text(payload.financial_status),
        created_at=created_at,
        updated_at=_or(payload.updated_at, created_at, "/updated_at"),
        processed_at=_or(payload.processed_at, created_at, "/processed_at"),
        cancelled_at=None if cancelled_at is None else utc(cancelled_at, "/cancelled_at"),
        subtotal=_subtotal(payload, lines),
        shipping=_shipping(payload),
        tax=shop_amount(payload.total_tax_set, payload.total_tax, "/total_tax") or ZERO,
        total=shop_amount(payload.total_price_set, payload.total_price, "/total_price") or ZERO,
        taxes_included=payload.taxes_included is True,
        fulfilled=payload.fulfillment_status == _FULFILLED,
        customer=order_customer(payload, to),
        discount_codes=tuple(each.code for each in codes if each.code) if codes else (),
        lines=lines,
        refunds=tuple(
            _refund(each, order_id, created_at, gift_lines, f"/refunds/{n}")
            for n, each in enumerate(refunds)
        )
        if refunds
        else (),
        receipt=text(payload.source_identifier) if payload.source_name == _POS else "",
        checkout_digest=digest_of_checkout(text(payload.checkout_token))
        if payload.source_name == _POS
        else "",
    )


def refund(payload: RefundPayload, to: Sealing) -> Refund:  # noqa: ARG001 - one shape per topic
    """A refund that comes by itself, maybe before its order. Raises MalformedPayload."""
    if payload.order_id is None:
        raise MalformedPayload("/order_id", "This field is required.")
    return _refund(payload, str(payload.order_id), None, frozenset(), "")


def _line(item: OrderLine, index: int) -> Line:
    pointer = f"/line_items/{index}"
    price = shop_amount(item.price_set, item.price, f"{pointer}/price")
    if price is None:
        raise MalformedPayload(f"{pointer}/price", "This field is required.")
    total = price * item.quantity
    if item.discount_allocations:
        for n, each in enumerate(item.discount_allocations):
            place = f"{pointer}/discount_allocations/{n}/amount"
            total -= shop_amount(each.amount_set, each.amount, place) or ZERO
    return Line(
        line_id=str(item.id),
        product_id="" if item.product_id is None else str(item.product_id),
        quantity=item.quantity,
        price=price,
        total=total,
        gift_card=item.gift_card is True,
    )


def _subtotal(payload: OrderPayload, lines: tuple[Line, ...]) -> Decimal:
    """After discounts and without gift cards, as ordered: ``current_subtotal_price`` shrinks with
    each refund, and refunds are counted on their own. The shop's own sum, since discounts may be
    on it that no line tells of; or else the lines'."""
    said = shop_amount(payload.subtotal_price_set, payload.subtotal_price, "/subtotal_price")
    if said is not None:
        return max(said - sum((line.total for line in lines if line.gift_card), ZERO), ZERO)
    if payload.line_items is None:
        raise MalformedPayload("/subtotal_price", "This field is required.")
    return sum((line.total for line in lines if not line.gift_card), ZERO)


def _shipping(payload: OrderPayload) -> Decimal:
    said = shop_amount(payload.total_shipping_price_set, None, "/total_shipping_price")
    if said is not None:
        return said
    shipping = ZERO
    for n, line in enumerate(payload.shipping_lines or ()):
        place = f"/shipping_lines/{n}/price"
        shipping += shop_amount(line.price_set, line.price, place) or ZERO
    return shipping


def _refund(
    payload: RefundPayload,
    order_id: str,
    otherwise: datetime | None,
    gift_lines: Container[str],
    pointer: str,
) -> Refund:
    created_at = payload.created_at or payload.processed_at
    if created_at is not None:
        created_at = utc(created_at, f"{pointer}/created_at")
    elif otherwise is not None:
        created_at = otherwise
    else:
        raise MalformedPayload(f"{pointer}/created_at", "This field is required.")
    merchandise = ZERO
    for n, line in enumerate(payload.refund_line_items or ()):
        place = f"{pointer}/refund_line_items/{n}/subtotal"
        given_back = shop_amount(line.subtotal_set, None, place) or ZERO
        gift_card = str(line.line_item_id) in gift_lines
        if line.line_item is not None and line.line_item.gift_card is True:
            gift_card = True
        if not gift_card:
            merchandise += given_back
    return Refund(
        refund_id=str(payload.id),
        order_id=order_id,
        created_at=created_at,
        merchandise=merchandise,
        amount_only=_amount_only(payload, pointer),
    )


def _amount_only(payload: RefundPayload, pointer: str) -> Decimal:
    """What went back without naming goods. Shopify books it as a negative adjustment; a refund
    that has neither goods nor adjustments is all in its transactions, of which only the set is
    read, because their plain amount is in the currency the customer paid in."""
    if payload.order_adjustments or payload.refund_line_items:
        booked = ZERO
        for n, each in enumerate(payload.order_adjustments or ()):
            if each.kind == _AMOUNT_ONLY:
                place = f"{pointer}/order_adjustments/{n}/amount"
                booked -= shop_amount(each.amount_set, each.amount, place) or ZERO
        return max(booked, ZERO)
    paid_back = ZERO
    for n, paid in enumerate(payload.transactions or ()):
        if paid.kind == "refund" and paid.status == "success":
            place = f"{pointer}/transactions/{n}/amount"
            paid_back += shop_amount(paid.amount_set, None, place) or ZERO
    return paid_back


def _or(instant: datetime | None, otherwise: datetime, pointer: str) -> datetime:
    return otherwise if instant is None else utc(instant, pointer)
