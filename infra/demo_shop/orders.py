"""Orders and refunds of the demo shop, in the words of Shopify's webhooks."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from infra.demo_shop.basket import Basket, BasketLine
from infra.demo_shop.delivery import CURRENCY
from infra.demo_shop.people import Person
from infra.demo_shop.wire import Presentment, iso

_FREE: Final = Decimal("0.00")
_POSTAGE: Final = Decimal("7.50")


@dataclass(slots=True)
class DemoOrder:
    """An order as it changes: every webhook shows how it stands at that instant."""

    order_id: int
    number: int
    buyer: Person | None  # None for a guest
    guest_email: str
    basket: Basket
    money: Presentment
    placed_at: datetime
    pos: bool
    test: bool
    status: str = "pending"
    cancelled_at: datetime | None = None
    refunds: list[dict[str, Any]] = field(default_factory=list)
    given_back: Decimal = _FREE

    def payload(self, at: datetime) -> dict[str, Any]:
        basket, both = self.basket, self.money.both
        subtotal, discount = basket.subtotal, basket.discount
        shipping = _FREE if self.pos else _POSTAGE
        total = subtotal + shipping
        left = subtotal - self.given_back
        email = self.buyer.email if self.buyer else self.guest_email
        placed, cancelled = iso(self.placed_at), self.cancelled_at
        return {
            "id": self.order_id,
            "admin_graphql_api_id": f"gid://shopify/Order/{self.order_id}",
            "name": f"#{self.number}",
            "order_number": self.number,
            "test": self.test,
            "source_name": "pos" if self.pos else "web",
            "location_id": 71_002 if self.pos else None,
            "user_id": None,
            "created_at": placed,
            "processed_at": placed,
            "updated_at": iso(at),
            "cancelled_at": iso(cancelled) if cancelled else None,
            "cancel_reason": "customer" if cancelled else None,
            "financial_status": self.status,
            "email": email,
            "contact_email": email,
            "phone": None,
            "customer_locale": "en",
            "currency": CURRENCY,
            "presentment_currency": self.money.currency,
            "taxes_included": False,
            "total_line_items_price": str(subtotal + discount),
            "total_discounts": str(discount),
            "subtotal_price": str(subtotal),
            "subtotal_price_set": both(subtotal),
            "current_subtotal_price": str(left),
            "current_subtotal_price_set": both(left),
            "total_tax": "0.00",
            "total_tax_set": both(_FREE),
            "total_shipping_price_set": both(shipping),
            "total_price": str(total),
            "total_price_set": both(total),
            "current_total_price": str(left + shipping),
            "discount_codes": [{"code": basket.code, "amount": str(discount), "type": "percentage"}]
            if basket.code
            else [],
            "customer": self.buyer.brief() if self.buyer else None,
            "line_items": [self._line(line) for line in basket.lines],
            "shipping_lines": []
            if self.pos
            else [{"code": "Standard", "price": str(shipping), "price_set": both(shipping)}],
            "refunds": self.refunds,
        }

    def refund(
        self, refund_id: int, pieces: dict[BasketLine, tuple[int, int]], at: datetime
    ) -> dict[str, Any]:
        """Gives pieces back: of each line how many went before, and how many go now."""
        lines: list[dict[str, Any]] = []
        for line, (before, more) in pieces.items():
            amount = line.share(before, more)
            self.given_back += amount
            lines.append(
                {
                    "id": refund_id + len(lines) + 1,
                    "quantity": more,
                    "line_item_id": line.line_id,
                    "restock_type": "return",
                    # Shopify really sends floats here, with all that comes with them.
                    "subtotal": float(amount) * (1 + 2**-52),
                    "subtotal_set": self.money.both(amount),
                    "total_tax": 0.0,
                    "total_tax_set": self.money.both(_FREE),
                    "line_item": self._line(line),
                }
            )
        refund = {
            "id": refund_id,
            "admin_graphql_api_id": f"gid://shopify/Refund/{refund_id}",
            "order_id": self.order_id,
            "created_at": iso(at),
            "processed_at": iso(at),
            "note": None,
            "user_id": 548_380_009,
            "restock": True,
            "refund_line_items": lines,
            "transactions": [],
            "order_adjustments": [],
            "duties": [],
        }
        self.refunds = [*self.refunds, refund]
        self.status = (
            "refunded" if self.given_back >= self.basket.subtotal else "partially_refunded"
        )
        return refund

    def _line(self, line: BasketLine) -> dict[str, Any]:
        item, both = line.item, self.money.both
        discounts = (
            [
                {
                    "amount": str(line.discount),
                    "amount_set": both(line.discount),
                    "discount_application_index": 0,
                }
            ]
            if line.discount
            else []
        )
        return {
            "id": line.line_id,
            "product_id": item.product_id,
            "variant_id": item.variant_id,
            "title": item.title,
            "sku": item.sku,
            "quantity": line.quantity,
            "current_quantity": line.quantity,
            "price": str(item.price),
            "price_set": both(item.price),
            "gift_card": item.gift_card,
            "requires_shipping": not item.gift_card,
            "discount_allocations": discounts,
        }
