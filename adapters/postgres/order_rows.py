"""Facts of orders as rows, and back."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from adapters.postgres.connection import Row
from domain.points.bonus import OrderLine
from domain.points.orders import OrderFacts


def row_of(merchant_id: UUID, facts: OrderFacts) -> dict[str, Any]:
    return {
        "merchant_id": merchant_id,
        "order_id": facts.order_id,
        "customer_id": facts.customer_id,
        "currency": facts.currency,
        "financial_status": facts.financial_status,
        "created_at": facts.created_at,
        "updated_at": facts.updated_at,
        "merchandise": facts.merchandise,
        "shipping": facts.shipping,
        "tax": facts.tax,
        "test": facts.test,
        "paid_at": facts.paid_at,
        "cancelled_at": facts.cancelled_at,
        "fulfilled_at": facts.fulfilled_at,
        "lines": [_line_row(line) for line in facts.lines] or None,
    }


def _line_row(line: OrderLine) -> dict[str, Any]:
    row: dict[str, Any] = {
        "product_id": line.product_id,
        "amount": str(line.amount),
        "tags": line.tags,
    }
    if line.collections:
        row["collections"] = line.collections
    return row


def facts_of(row: Row) -> OrderFacts:
    return OrderFacts(
        order_id=row.order_id,
        customer_id=row.customer_id,
        currency=row.currency,
        financial_status=row.financial_status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        merchandise=row.merchandise,
        shipping=row.shipping,
        tax=row.tax,
        test=row.test,
        paid_at=row.paid_at,
        cancelled_at=row.cancelled_at,
        fulfilled_at=row.fulfilled_at,
        lines=tuple(
            OrderLine(
                line["product_id"],
                Decimal(line["amount"]),
                tuple(line["tags"]),
                tuple(line.get("collections", ())),
            )
            for line in plain(row.lines) or ()
        ),
    )


def plain(stored: Any) -> Any:
    """JSON that the driver did not decode, decoded."""
    return msgspec.json.decode(stored) if isinstance(stored, str | bytes) else stored
