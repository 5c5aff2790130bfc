"""What a shop keeps beside what its webhooks tell: what apps made in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class Use:
    """An order that a code took something off. ``customer_id`` is empty for a guest."""

    order_id: str
    customer_id: str


@dataclass(slots=True)
class Discount:
    """A discount with one code. ``kind`` is the end of its type's name: Basic, FreeShipping, Bxgy;
    ``given`` what it was made with; ``customers`` who may use it, None for everybody."""

    number: int
    kind: str
    given: Mapping[str, Any]
    title: str
    code: str
    starts_at: datetime
    ends_at: datetime | None
    customers: frozenset[str] | None
    usage_limit: int | None
    once_per_customer: bool
    created_at: datetime
    updated_at: datetime
    code_number: int
    uses: list[Use] = field(default_factory=list)

    def status(self, now: datetime) -> str:
        if self.ends_at is not None and self.ends_at <= now:
            return "EXPIRED"
        return "SCHEDULED" if self.starts_at > now else "ACTIVE"


@dataclass(slots=True)
class GiftCard:
    """``code`` is told once, when the card is made."""

    number: int
    code: str
    initial: Decimal
    balance: Decimal
    currency: str
    customer_id: str
    expires_on: date | None
    note: str | None
    created_at: datetime
    deactivated_at: datetime | None = None


@dataclass(slots=True)
class Transaction:
    """Money onto a store credit account, or off it when ``amount`` is negative. ``remaining`` is
    what is left of a credit; it is gone after ``expires_at``."""

    number: int
    amount: Decimal
    balance_after: Decimal
    created_at: datetime
    remaining: Decimal = Decimal(0)
    expires_at: datetime | None = None


@dataclass(slots=True)
class CreditAccount:
    """Of one customer, in one currency."""

    number: int
    customer_id: str
    currency: str
    transactions: list[Transaction] = field(default_factory=list)

    def balance(self, now: datetime) -> Decimal:
        return sum(
            (
                each.remaining
                for each in self.transactions
                if each.expires_at is None or each.expires_at > now
            ),
            Decimal(0),
        )


@dataclass(slots=True)
class Metafield:
    number: int
    owner: str
    namespace: str
    key: str
    type: str
    value: str
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class Subscription:
    """A webhook subscription of the app's."""

    number: int
    topic: str
    uri: str
    given: Mapping[str, Any]
    created_at: datetime


@dataclass(slots=True)
class Collection:
    number: int
    title: str
    handle: str
    products: list[str]
    updated_at: datetime


@dataclass(slots=True)
class BulkOperation:
    """``file`` is what it will have found when it is complete, and ``error`` why it will fail;
    ``cancelled_at`` is when somebody asked for its end."""

    number: int
    query: str
    secret: str
    created_at: datetime
    cancelled_at: datetime | None = None
    error: str | None = None
    file: bytes = b""
    objects: int = 0
    root_objects: int = 0
