"""Payloads of webhooks that tests put into a shop."""

from typing import Any

AT = "2026-11-20T08:00:00-05:00"


def product(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Thing {number}",
        "handle": f"thing-{number}",
        "created_at": AT,
        "updated_at": AT,
        "variants": [{"id": number * 10, "title": "Regular", "price": "12.50", "sku": "T"}],
    } | changes


def order(
    number: int, customer: int | None = None, lines: int = 1, **changes: Any
) -> dict[str, Any]:
    """Of ``lines`` things of 10.00, paid in euros at 0.90, with 5.00 for shipping."""
    total = 10 * lines
    return {
        "id": number,
        "name": f"#{number}",
        "order_number": number,
        "created_at": AT,
        "updated_at": AT,
        "currency": "USD",
        "presentment_currency": "EUR",
        "financial_status": "paid",
        "source_name": "web",
        "test": False,
        "subtotal_price": f"{total}.00",
        "subtotal_price_set": both(total),
        "total_price": f"{total + 5}.00",
        "total_price_set": both(total + 5),
        "current_total_price": f"{total + 5}.00",
        "total_tax": "0.00",
        "total_discounts": "0.00",
        "discount_codes": [],
        "customer": customer
        and {"id": customer, "email": f"c{customer}@example.com", "created_at": AT},
        "line_items": [
            {
                "id": number * 100 + place,
                "product_id": 11,
                "variant_id": 110,
                "title": "Thing",
                "quantity": 1,
                "price": "10.00",
                "discount_allocations": [],
            }
            for place in range(lines)
        ],
        "shipping_lines": [{"price": "5.00"}],
        "refunds": [],
    } | changes


def refund(number: int, order_id: int, **changes: Any) -> dict[str, Any]:
    """Of the first line of an order."""
    return {
        "id": number,
        "order_id": order_id,
        "created_at": AT,
        "note": None,
        "refund_line_items": [
            {
                "id": number * 1000,
                "line_item_id": order_id * 100,
                "quantity": 1,
                "restock_type": "return",
                "subtotal": 10.000000000000002,
                "subtotal_set": both(10),
                "total_tax_set": both(0),
                "line_item": {"id": order_id * 100},
            }
        ],
        "transactions": [],
        "order_adjustments": [],
    } | changes


def both(amount: int) -> dict[str, Any]:
    return {
        "shop_money": {"amount": f"{amount}.00", "currency_code": "USD"},
        "presentment_money": {"amount": f"{amount * 9 // 10}.00", "currency_code": "EUR"},
    }
