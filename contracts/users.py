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
    put,
)
from contracts.limits import SEARCHES
from domain.errors import (
    DuplicateRequest,
    Forbidden,
    InvalidRequest,
    Kind,
    LoyaltyError,
    NotFound,
)
from domain.rbac import CannotGrant, LastOwner

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
    """A person, opened for somebody who may read them. ``kind`` is "customer" or "staff".

    Of staff, ``subject`` is whose log-ins and roles they are, and ``role`` what they have now.
    Without a subject they are invited, to the role. ``birthday`` is known with the year; where only
    the day is, ``birth_month`` and ``birth_day`` tell it."""

    user_id: UUID
    kind: str
    shopify_customer_id: str = ""
    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    birthday: date | None = None
    birth_month: int | None = None
    birth_day: int | None = None
    role: str = ""
    subject: str = ""
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
    """``email`` finds exactly; ``search`` finds by a name that may be misspelt or unfinished (100
    characters at most); ``kind`` is "customer" or "staff"; ``limit`` is 1 to 250."""

    kind: str = "customer"
    email: str = ""
    search: str = ""
    cursor: str | None = None
    limit: int = 50


class Users(Page, frozen=True, kw_only=True):
    users: tuple[User, ...]


LIST_USERS: Final = Operation(
    "users.v1.ListUsers",
    ListUsers,
    Users,
    permission="customers:read",
    summary="The people of the shop, newest first; with an e-mail address only those who have it, "
    "with a search those whose names are most like it first.",
    http=get("/v1/api/users"),
    errors=(InvalidRequest, NotFound),
    rate=SEARCHES,
)


class ListDuplicates(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250 addresses."""

    cursor: str | None = None
    limit: int = 50


class Duplicate(Response, frozen=True, kw_only=True):
    """An e-mail address that several customers have: how many, and the newest ten of them."""

    count: int
    users: tuple[User, ...]


class Duplicates(Page, frozen=True, kw_only=True):
    duplicates: tuple[Duplicate, ...]


LIST_DUPLICATES: Final = Operation(
    "users.v1.ListDuplicates",
    ListDuplicates,
    Duplicates,
    permission="customers:read",
    summary="Customers who share an e-mail address, and may be one person.",
    http=get("/v1/api/users/duplicates"),
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
    summary="Add a customer, or invite staff; one with the same e-mail and kind is a conflict. "
    "Staff needs ``roles:write`` too, and nobody gives a role that may do more than they may.",
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


class SetBirthday(Request, frozen=True, kw_only=True):
    """A customer's birthday; ``year`` may be left out. A customer's token names itself."""

    user_id: UUID | None = None
    month: int
    day: int
    year: int | None = None


class BirthdaySet(Response, frozen=True, kw_only=True):
    user_id: UUID
    month: int
    day: int
    year: int | None = None


SET_BIRTHDAY: Final = Operation(
    "users.v1.SetBirthday",
    SetBirthday,
    BirthdaySet,
    permission="customers:birthday",
    summary="Say when a customer has their birthday. It is told to nobody but those who may read "
    "people.",
    http=put("/v1/api/users/birthday"),
    errors=(NotFound, InvalidRequest),
    idempotency=Idempotency.NATURAL,
)


class LinkStaff(Request, frozen=True, kw_only=True):
    """Somebody who was invited, and the digits of their id as a member of staff at Shopify."""

    user_id: UUID
    shopify_staff_id: str


LINK_STAFF: Final = Operation(
    "users.v1.LinkStaff",
    LinkStaff,
    User,
    permission="roles:write",
    summary="Say who at Shopify somebody is who was invited. They have the role they were invited "
    "to from then on, whether they have logged in before or not.",
    http=post("/v1/api/users/staff/link"),
    errors=(NotFound, InvalidRequest, Forbidden, CannotGrant, LastOwner, UserExists),
    idempotency=Idempotency.NATURAL,
)


class RemoveStaff(Request, frozen=True, kw_only=True):
    user_id: UUID


class StaffRemoved(Response, frozen=True, kw_only=True):
    """``role`` is the one they had, or were invited to."""

    user_id: UUID
    role: str


REMOVE_STAFF: Final = Operation(
    "users.v1.RemoveStaff",
    RemoveStaff,
    StaffRemoved,
    permission="roles:write",
    summary="Take somebody's role and what is known of them, or take an invitation back. The last "
    "owner stays.",
    http=post("/v1/api/users/staff/remove"),
    errors=(NotFound, Forbidden, CannotGrant, LastOwner),
    idempotency=Idempotency.NATURAL,
)


class MergeUsers(Request, frozen=True, kw_only=True):
    """Two customers who are one person; ``merged_id`` is the one who goes."""

    kept_id: UUID
    merged_id: UUID


class MergedUsers(Response, frozen=True, kw_only=True):
    kept_id: UUID
    merged_id: UUID


MERGE_USERS: Final = Operation(
    "users.v1.MergeUsers",
    MergeUsers,
    MergedUsers,
    permission="customers:write",
    summary="Make one of two customers: the kept one gets the points of the other, and what is "
    "earned under the other's id from now on. It cannot be undone.",
    http=post("/v1/api/users/merge"),
    errors=(NotFound, InvalidRequest, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class UserChanged(Body, frozen=True, kw_only=True):
    """A person, without personal data."""

    user_id: UUID
    kind: str
    shopify_customer_id: str = ""
    language: str = ""
    occurred_at: Instant


class UserDeleted(Body, frozen=True, kw_only=True):
    """A customer whom the shop has deleted: late news of them changes nothing any more. Or staff
    who was removed."""

    user_id: UUID
    kind: str
    occurred_at: Instant


class CustomerBirthday(Body, frozen=True, kw_only=True):
    """It is the birthday of a customer in a shop that celebrates it, since ``occurred_at``, when
    the day began there. It may be told late, and again in a year after the birthday was changed."""

    customer_id: UUID
    occurred_at: Instant


class CustomerMerged(Body, frozen=True, kw_only=True):
    """``kept_id`` stands for ``merged_id`` from now on. Where several were merged into one who is
    merged in turn, there is an event for each of them.

    Of two events that name the same customer, as either, the one with the higher ``version`` says
    what is: ``merged_id`` is gone, ``kept_id`` stands for themselves.
    """

    kept_id: UUID
    merged_id: UUID
    version: int
    occurred_at: Instant


USER_CREATED: Final = Event("user.created", UserChanged, _USERS, "A person was added.")
USER_UPDATED: Final = Event("user.updated", UserChanged, _USERS, "A person changed.")
USER_DELETED: Final = Event(
    "user.deleted", UserDeleted, _USERS, "A customer was deleted, or staff was removed."
)
CUSTOMER_BIRTHDAY: Final = Event(
    "customer.birthday", CustomerBirthday, _USERS, "It is a customer's birthday."
)
CUSTOMER_MERGED: Final = Event(
    "customer.merged", CustomerMerged, _USERS, "A customer was merged into another."
)

CONTRACTS: Final = Contracts(
    operations=(
        GET_USER,
        LIST_USERS,
        LIST_DUPLICATES,
        GET_USERS,
        CREATE_USER,
        UPDATE_USER,
        SET_BIRTHDAY,
        LINK_STAFF,
        REMOVE_STAFF,
        MERGE_USERS,
    ),
    events=(USER_CREATED, USER_UPDATED, USER_DELETED, CUSTOMER_BIRTHDAY, CUSTOMER_MERGED),
)
