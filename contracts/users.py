"""Users: the people of a shop, staff and customers, with their personal data sealed at rest."""

from datetime import date
from typing import Final
from uuid import UUID

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from domain.errors import (
    DuplicateRequest,
    Forbidden,
    InvalidRequest,
    Kind,
    LoyaltyError,
    NotFound,
)
from domain.rbac import CannotGrant

_USERS: Final = "users"

CUSTOMER: Final = "customer"
STAFF: Final = "staff"
KINDS: Final = (CUSTOMER, STAFF)


class UserExists(LoyaltyError):
    """Somebody of this kind has this e-mail address or Shopify id."""

    code = "USER_EXISTS"
    kind = Kind.CONFLICT
    title = "The shop already has this person."


class GetUser(Request, frozen=True, kw_only=True):
    user_id: UUID


class User(Response, frozen=True, kw_only=True):
    """A person, opened for somebody who may read them. ``kind`` is "customer" or "staff"."""

    user_id: UUID
    kind: str
    shopify_customer_id: str = ""
    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    birthday: date | None = None
    role: str = ""
    created_at: Instant
    updated_at: Instant


GET_USER: Final = Operation(
    "users.v1.GetUser",
    GetUser,
    User,
    permission="customers:read",
    summary="One person of the shop.",
    http=get("/v1/api/users/get"),
    errors=(NotFound,),
)


class ListUsers(Request, frozen=True, kw_only=True):
    """``email`` finds exactly; ``kind`` is "customer" or "staff"; ``limit`` is 1 to 250."""

    kind: str = "customer"
    email: str = ""
    cursor: str | None = None
    limit: int = 50


class Users(Page, frozen=True, kw_only=True):
    users: tuple[User, ...]


LIST_USERS: Final = Operation(
    "users.v1.ListUsers",
    ListUsers,
    Users,
    permission="customers:read",
    summary="The people of the shop, newest first; with an e-mail address only those who have it.",
    http=get("/v1/api/users"),
    errors=(InvalidRequest, NotFound),
)


class UsersOf(Request, frozen=True, kw_only=True):
    user_ids: tuple[UUID, ...]


GET_USERS: Final = Operation(
    "users.v1.GetUsers",
    UsersOf,
    Users,
    permission="customers:read",
    summary="Many people at once (250 at most).",
    http=post("/v1/api/users/batch"),
    errors=(InvalidRequest,),
)


class CreateUser(Request, frozen=True, kw_only=True):
    """A person added by hand; ``role`` is for staff, ``shopify_customer_id`` for customers."""

    kind: str = "customer"
    email: str
    shopify_customer_id: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    birthday: date | None = None
    role: str = ""


class CreatedUser(Response, frozen=True, kw_only=True):
    """The new person's id. The rest is for those who may read people: this answer is stored for
    repeats of the request, so it holds no personal data."""

    user_id: UUID
    kind: str
    created_at: Instant


CREATE_USER: Final = Operation(
    "users.v1.CreateUser",
    CreateUser,
    CreatedUser,
    permission="customers:write",
    summary="Add a person; one with the same e-mail and kind is a conflict. Staff needs "
    "``roles:write`` too, and nobody gives a role that may do more than they may.",
    http=post("/v1/api/users/create", status=201),
    errors=(InvalidRequest, Forbidden, CannotGrant, NotFound, UserExists, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class UpdateUser(Request, frozen=True, kw_only=True):
    """Fields left out stay as they are."""

    user_id: UUID
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    language: str | None = None
    birthday: date | None = None


UPDATE_USER: Final = Operation(
    "users.v1.UpdateUser",
    UpdateUser,
    User,
    permission="customers:write",
    summary="Change a person.",
    http=post("/v1/api/users/update"),
    errors=(NotFound, InvalidRequest, Forbidden, UserExists),
    idempotency=Idempotency.NATURAL,
)


class UserChanged(Body, frozen=True, kw_only=True):
    """A person, without personal data."""

    user_id: UUID
    kind: str
    shopify_customer_id: str = ""
    language: str = ""
    occurred_at: Instant


USER_CREATED: Final = Event("user.created", UserChanged, _USERS, "A person was added.")
USER_UPDATED: Final = Event("user.updated", UserChanged, _USERS, "A person changed.")

CONTRACTS: Final = Contracts(
    operations=(GET_USER, LIST_USERS, GET_USERS, CREATE_USER, UPDATE_USER),
    events=(USER_CREATED, USER_UPDATED),
)
