"""What users relies on: who a shop's customers are, its key, what a role of its staff may do."""

from uuid import UUID

from contracts import core, organizations, roles, shop
from contracts.kit import Instant
from domain.errors import NotFound
from services.users.sightings import OrderOfSomebody
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
    email_verified: bool = False


class Deleted(Part, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str


class MadeOne(Part, frozen=True, kw_only=True):
    kept_customer_id: UUID
    merged_customer_id: UUID
    merged_shopify_customer_id: str
    completed: bool = False


class Forgotten(Part, frozen=True, kw_only=True):
    customer_id: UUID | None = None


class Membership(Part, frozen=True, kw_only=True):
    """A higher version is newer."""

    organization_id: UUID
    version: int


class OrganizationKey(Part, frozen=True, kw_only=True):
    wrapped_key: str


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
        Reads(shop.ORDER_EVENTS, OrderOfSomebody),
        Reads((shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED), Account),
        Reads((shop.CUSTOMER_DELETED,), Deleted),
        Reads((shop.CUSTOMERS_MERGED,), MadeOne),
        Reads((roles.ROLE_ASSIGNED,), Given),
        Reads((core.SETTINGS_UPDATED,), Program),
        Reads((shop.CUSTOMER_REDACTED,), Forgotten),
        Reads((organizations.ORGANIZATION_JOINED, organizations.ORGANIZATION_LEFT), Membership),
        *RESEALING,
    ),
    calls=(
        *KEYS_OF_SHOPS,
        Calls(
            organizations.GET_ORGANIZATION_KEY,
            {"organization_id": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11"},
            OrganizationKey,
            (NotFound,),
        ),
        Calls(roles.GET_PERMISSIONS, {"role": "viewer"}, Granted, (NotFound,)),
        Calls(roles.LIST_ASSIGNMENTS, {"limit": 250, "cursor": None}, Holders),
        Calls(roles.ASSIGN_ROLE, {"subject": "staff:1", "role": "viewer"}, Held),
        Calls(roles.REMOVE_ASSIGNMENT, {"subject": "staff:1"}, Held, (NotFound,)),
    ),
)
