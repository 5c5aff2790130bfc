"""Parts of events that several consumers read in the same way."""

from decimal import Decimal
from uuid import UUID

from contracts.kit import Instant
from domain.program import ProgramSettings
from tests.contracts.pacts import Part


class Program(Part, frozen=True, kw_only=True):
    """Kept whole; a higher version replaces a lower one."""

    settings: ProgramSettings


class RefundPart(Part, frozen=True, kw_only=True):
    refund_id: str
    order_id: str
    merchandise: Decimal


class Buyer(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str


class Purchase(Part, frozen=True, kw_only=True):
    """An order as those see it who add up what members buy."""

    order_id: str
    test: bool
    processed_at: Instant
    updated_at: Instant
    subtotal: Decimal
    cancelled_at: Instant | None = None
    customer: Buyer | None = None
    refunds: tuple[RefundPart, ...] = ()


class ShopKey(Part, frozen=True, kw_only=True):
    """Whose shop it is, and the key its personal data is sealed with."""

    merchant_id: UUID
    wrapped_key: str


class Granted(Part, frozen=True, kw_only=True):
    permissions: tuple[str, ...]
