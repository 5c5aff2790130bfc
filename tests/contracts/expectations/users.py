"""What users relies on: who a shop's customers are, its key, what a role of its staff may do."""

from uuid import UUID

from contracts import core, roles, shop
from contracts.kit import Instant
from domain.errors import NotFound
from tests.contracts.pacts import Calls, Pact, Part, Reads
from tests.contracts.parts import KEYS_OF_SHOPS, RESEALING, Granted, Program


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


class Given(Part, frozen=True, kw_only=True):
    subject: str


class Held(Part, frozen=True, kw_only=True):
    subject: str
    role: str


class Holders(Part, frozen=True, kw_only=True):
    assignments: tuple[Held, ...]
    next_cursor: str | None = None


PACT = Pact(
    "users",
    reads=(
        Reads(shop.ORDER_EVENTS, Seen),
        Reads((shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED), Account),
        Reads((shop.CUSTOMER_DELETED,), Deleted),
        Reads((shop.CUSTOMERS_MERGED,), MadeOne),
        Reads((roles.ROLE_ASSIGNED,), Given),
        Reads((core.SETTINGS_UPDATED,), Program),
        *RESEALING,
    ),
    calls=(
        *KEYS_OF_SHOPS,
        Calls(roles.GET_PERMISSIONS, {"role": "viewer"}, Granted, (NotFound,)),
        Calls(roles.LIST_ASSIGNMENTS, {"limit": 250, "cursor": None}, Holders),
        Calls(roles.ASSIGN_ROLE, {"subject": "staff:1", "role": "viewer"}, Held),
        Calls(roles.REMOVE_ASSIGNMENT, {"subject": "staff:1"}, Held, (NotFound,)),
    ),
)
