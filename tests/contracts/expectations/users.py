"""What users relies on: who a shop's customers are, its key, what a role of its staff may do."""

from uuid import UUID

from contracts import auth, roles, shop
from contracts.kit import Instant
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part, Reads
from tests.contracts.parts import Granted


class Account(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str
    created_at: Instant
    updated_at: Instant
    email_index: str = ""
    sealed_contact: str = ""
    language: str = ""


class Deleted(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str


class MadeOne(Part, frozen=True, kw_only=True):
    kept_customer_id: UUID
    merged_customer_id: UUID
    merged_shopify_customer_id: str
    completed: bool = False


class Buyer(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str
    email_index: str = ""
    sealed_contact: str = ""


class Seen(Part, frozen=True, kw_only=True):
    created_at: Instant
    updated_at: Instant
    customer: Buyer | None = None


class Key(Part, frozen=True, kw_only=True):
    wrapped_key: str


PACT = Pact(
    "users",
    reads=(
        Reads(shop.ORDER_EVENTS, Seen),
        Reads((shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED), Account),
        Reads((shop.CUSTOMER_DELETED,), Deleted),
        Reads((shop.CUSTOMERS_MERGED,), MadeOne),
    ),
    calls=(
        Calls(
            auth.VALIDATE_MERCHANT,
            {"merchant_id": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"},
            Key,
        ),
        Calls(roles.GET_PERMISSIONS, {"role": "viewer"}, Granted, (NotFound,)),
    ),
)
