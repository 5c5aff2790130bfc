"""``ports.imports.History``: what a shop's Admin API tells of its customers and orders, put into
the same payloads as webhooks bring, and translated by what translates those.

What goes back is nested too deep for an export: of an order that has refunds they are asked for
one by one.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from adapters.shopify import orders, people
from adapters.shopify.admin.bulk import BulkExports, Grouped, grouped
from adapters.shopify.admin.client import AdminClient
from adapters.shopify.admin.documents import number_of
from adapters.shopify.admin.errors import AccessDenied
from adapters.shopify.admin.exports import (
    REFUND,
    Buyer,
    Customer,
    Item,
    Money,
    Order,
    Refund,
    ReturnedItem,
    export_of,
)
from adapters.shopify.context import MerchantContext, Sealing
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.payloads import (
    CustomerOfOrder,
    CustomerPayload,
    Discount,
    DiscountCode,
    MoneySet,
    OrderLine,
    OrderPayload,
    RefundAdjustment,
    RefundedOrderLine,
    RefundLine,
    RefundPayload,
    RefundTransaction,
    ShopMoney,
)
from contracts.kit import Body
from ports.clock import Clock
from ports.imports import Export, NotAllowed, Phase, Told
from ports.sealing import Sealer, ShopKeys
from ports.shopify_limits import Lane

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)


class ShopifyHistory:
    def __init__(
        self,
        exports: BulkExports,
        client: AdminClient,
        keys: ShopKeys,
        sealer: Sealer,
        clock: Clock,
    ) -> None:
        self._exports = exports
        self._client = client
        self._keys = keys
        self._sealer = sealer
        self._clock = clock

    async def close(self) -> None:
        await self._exports.close()

    async def begin(self, merchant_id: UUID, phase: Phase, since: datetime | None) -> str:
        return await self._exports.begin(merchant_id, export_of(phase, since))

    async def look(self, merchant_id: UUID, export_id: str) -> Export:
        return await self._exports.look(merchant_id, export_id)

    async def read(
        self, merchant_id: UUID, phase: Phase, url: str, read_from: int, *, imported: bool
    ) -> AsyncIterator[Told]:
        if not url:
            return
        key = await self._keys.of(merchant_id)
        to = Sealing(MerchantContext(merchant_id, key, self._clock.now()), self._sealer)
        async for each in grouped(self._exports.lines(url, read_from)):
            try:
                if phase is Phase.CUSTOMERS:
                    body: Body = people.customer_record(_customer(each), to)
                else:
                    body = replace(
                        orders.order(await self._order(merchant_id, each), to), imported=imported
                    )
            except (MalformedPayload, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield Told(None, each.end)
            else:
                yield Told(body, each.end)

    async def _order(self, merchant_id: UUID, told: Grouped) -> OrderPayload:
        order = _read(told.text, Order)
        refunds = [await self._refund(merchant_id, each.id) for each in order.refunds]
        status, buyer = order.display_financial_status, order.customer
        return OrderPayload(
            id=int(number_of(order.id)),
            name=order.name,
            currency=order.currency_code,
            test=order.test,
            source_name=order.source_name,
            financial_status=None if status is None else status.lower(),
            fulfillment_status=order.display_fulfillment_status.lower(),
            created_at=order.created_at,
            updated_at=order.updated_at,
            processed_at=order.processed_at,
            cancelled_at=order.cancelled_at,
            taxes_included=order.taxes_included,
            email=order.email,
            phone=order.phone,
            subtotal_price_set=_money(order.subtotal_price_set),
            total_tax_set=_money(order.total_tax_set),
            total_price_set=_money(order.total_price_set),
            total_shipping_price_set=_money(order.total_shipping_price_set),
            customer=None if buyer is None else CustomerOfOrder(**_person(buyer)),
            discount_codes=[DiscountCode(code=each) for each in order.discount_codes],
            line_items=[_line(_read(each, Item)) for each in told.children],
            refunds=[each for each in refunds if each is not None],
        )

    async def _refund(self, merchant_id: UUID, refund_id: str) -> RefundPayload | None:
        """All of a refund; None for one that is not there any more."""
        lines: list[ReturnedItem] = []
        after: str | None = None
        while True:
            asked = {"id": refund_id, "after": after}
            try:
                answer = await self._client.ask(merchant_id, REFUND, asked, lane=Lane.BULK)
            except AccessDenied:
                raise NotAllowed from None
            refund = answer.refund
            if refund is None:
                return None
            lines += refund.refund_line_items.nodes
            page = refund.refund_line_items.page_info
            if not page.has_next_page:
                return _refund(refund, lines)
            after = page.end_cursor


def _refund(refund: Refund, lines: list[ReturnedItem]) -> RefundPayload:
    return RefundPayload(
        id=int(number_of(refund.id)),
        created_at=refund.created_at,
        processed_at=refund.processed_at,
        refund_line_items=[
            RefundLine(
                line_item_id=int(number_of(each.line_item.id)),
                subtotal_set=_set(each.subtotal_set),
                line_item=RefundedOrderLine(gift_card=each.line_item.is_gift_card),
            )
            for each in lines
        ],
        order_adjustments=[
            RefundAdjustment(
                kind="shipping_refund" if each.reason is None else "refund_discrepancy",
                amount_set=_set(each.amount_set),
            )
            for each in refund.order_adjustments.nodes
        ],
        transactions=[
            RefundTransaction(
                kind=each.kind.lower(),
                status=each.status.lower(),
                amount_set=_set(each.amount_set),
            )
            for each in refund.transactions.nodes
        ],
    )


def _customer(told: Grouped) -> CustomerPayload:
    customer = _read(told.text, Customer)
    return CustomerPayload(
        **_person(customer),
        created_at=customer.created_at,
        updated_at=customer.updated_at,
        locale=customer.locale,
    )


def _person(person: Buyer) -> dict[str, Any]:
    email, phone = person.default_email_address, person.default_phone_number
    return {
        "id": int(number_of(person.id)),
        "email": None if email is None else email.email_address,
        "phone": None if phone is None else phone.phone_number,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "verified_email": person.verified_email,
    }


def _line(item: Item) -> OrderLine:
    return OrderLine(
        id=int(number_of(item.id)),
        product_id=None if item.product is None else int(number_of(item.product.id)),
        quantity=item.quantity,
        price_set=_set(item.original_unit_price_set),
        gift_card=item.is_gift_card,
        discount_allocations=[
            Discount(amount_set=_set(each.allocated_amount_set))
            for each in item.discount_allocations
        ],
    )


def _money(money: Money | None) -> MoneySet | None:
    return None if money is None else _set(money)


def _set(money: Money) -> MoneySet:
    return MoneySet(shop_money=ShopMoney(amount=money.shop_money.amount))


def _read(text: bytes, kind: type[AnswerT]) -> AnswerT:
    return msgspec.json.decode(text, type=kind)
