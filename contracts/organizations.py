"""Organisations: shops that share a balance, and who of their members is one person."""

from typing import Final
from uuid import UUID

from contracts.kit import (
    INTERNAL,
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Nothing,
    Operation,
    Request,
    Response,
    get,
    post,
)
from domain.admins.errors import ShopNotActive
from domain.errors import InvalidRequest, NotFound
from domain.organizations import (
    AlreadyInOrganization,
    NoOrganization,
    OrganizationCodeSpent,
    OrganizationFull,
    TooManyWrongCodes,
)

_AUTH: Final = "auth"
_USERS: Final = "users"
_READ: Final = "organization:read"
_WRITE: Final = "organization:write"


class CreateOrganization(Request, frozen=True, kw_only=True):
    """``name`` is one line of at most 100 characters; all shops of the organisation see it."""

    name: str


class ShopOfOrganization(Response, frozen=True, kw_only=True):
    """All that shops of one organisation see of each other here. ``store`` is what shared balances
    call it, the id of a merchant."""

    store: UUID
    shop_domain: str
    joined_at: Instant


class Organization(Response, frozen=True, kw_only=True):
    """The organisation of the shop that asks, with all of its shops (50 at most), that one
    included, in the order in which they joined."""

    organization_id: UUID
    name: str
    shops: tuple[ShopOfOrganization, ...]


GET_ORGANIZATION: Final = Operation(
    "auth.v1.GetOrganization",
    Nothing,
    Organization,
    permission=_READ,
    summary="The organisation that the shop shares balances in.",
    http=get("/v1/api/auth/organization"),
    errors=(NoOrganization,),
)

CREATE_ORGANIZATION: Final = Operation(
    "auth.v1.CreateOrganization",
    CreateOrganization,
    Organization,
    permission=_WRITE,
    summary="Make an organisation; the shop is the first in it.",
    http=post("/v1/api/auth/organization/create"),
    errors=(InvalidRequest, AlreadyInOrganization, ShopNotActive),
    idempotency=Idempotency.NATURAL,
)


class OrganizationCode(Response, frozen=True, kw_only=True):
    """A code that lets one shop in. It is shown this once."""

    code: str
    expires_at: Instant


INVITE_SHOP: Final = Operation(
    "auth.v1.InviteShop",
    Nothing,
    OrganizationCode,
    permission=_WRITE,
    summary="Make a code with which one other shop can join the organisation, within 7 days. The "
    "code that this shop made before does not hold any more.",
    http=post("/v1/api/auth/organization/invite"),
    errors=(NoOrganization,),
    idempotency=Idempotency.NATURAL,
)


class JoinOrganization(Request, frozen=True, kw_only=True):
    """``code`` is what somebody of the other shop was shown; blanks, hyphens and the case of
    letters do not matter."""

    code: str


JOIN_ORGANIZATION: Final = Operation(
    "auth.v1.JoinOrganization",
    JoinOrganization,
    Organization,
    permission=_WRITE,
    summary="Join the organisation of a shop that has given its code. From then on members whom "
    "Shopify knows by the same verified e-mail address have one balance in all of its shops.",
    http=post("/v1/api/auth/organization/join"),
    errors=(
        InvalidRequest,
        AlreadyInOrganization,
        OrganizationCodeSpent,
        OrganizationFull,
        ShopNotActive,
        TooManyWrongCodes,
    ),
    idempotency=Idempotency.NATURAL,
)


class OrganizationLeft(Response, frozen=True, kw_only=True):
    organization_id: UUID


LEAVE_ORGANIZATION: Final = Operation(
    "auth.v1.LeaveOrganization",
    Nothing,
    OrganizationLeft,
    permission=_WRITE,
    summary="Leave the organisation. With its last shop it ends.",
    http=post("/v1/api/auth/organization/leave"),
    errors=(NoOrganization,),
    idempotency=Idempotency.NATURAL,
)


class GetOrganizationKey(Request, frozen=True, kw_only=True):
    """The organisation that the caller's shop is in, as far as the caller knows."""

    organization_id: UUID


class OrganizationKey(Response, frozen=True, kw_only=True):
    """The key that its shops' members are compared with, wrapped under the master key."""

    organization_id: UUID
    wrapped_key: str


GET_ORGANIZATION_KEY: Final = Operation(
    "auth.v1.GetOrganizationKey",
    GetOrganizationKey,
    OrganizationKey,
    permission=INTERNAL,
    summary="The key of the organisation that the caller's shop is in now; of another it is not "
    "found.",
    errors=(NotFound,),
)


class MembershipChanged(Body, frozen=True, kw_only=True):
    """A shop, the one that the event is about, is in this organisation since ``occurred_at``, or
    is not any more. A shop is in one at most.

    Of all that is said of one shop, the highest ``version`` says what is.
    """

    organization_id: UUID
    version: int
    occurred_at: Instant


class MemberLinked(Body, frozen=True, kw_only=True):
    """A member of a shop is in this pool: all members of the organisation's shops with the same
    verified e-mail address are, one of each shop at most. It may be that there is only this one;
    nobody is told how many there are.

    Of all that is said of one member, linked or unlinked, the highest ``version`` says what is: a
    member is in one pool at most, and whoever is linked to another has left the one before,
    whether that was heard or not.
    """

    customer_id: UUID
    pool_id: UUID
    organization_id: UUID
    version: int
    occurred_at: Instant


class MemberUnlinked(Body, frozen=True, kw_only=True):
    """A member is in this pool no more, and in none; see ``MemberLinked`` for ``version``."""

    customer_id: UUID
    pool_id: UUID
    version: int
    occurred_at: Instant


ORGANIZATION_JOINED: Final = Event(
    "organization.joined", MembershipChanged, _AUTH, "A shop joined an organisation."
)
ORGANIZATION_LEFT: Final = Event(
    "organization.left", MembershipChanged, _AUTH, "A shop left its organisation."
)
MEMBER_LINKED: Final = Event(
    "member.linked", MemberLinked, _USERS, "A member shares a pool with whom they are elsewhere."
)
MEMBER_UNLINKED: Final = Event(
    "member.unlinked", MemberUnlinked, _USERS, "A member is in a pool no more."
)

CONTRACTS: Final = Contracts(
    operations=(
        GET_ORGANIZATION,
        CREATE_ORGANIZATION,
        INVITE_SHOP,
        JOIN_ORGANIZATION,
        LEAVE_ORGANIZATION,
        GET_ORGANIZATION_KEY,
    ),
    events=(ORGANIZATION_JOINED, ORGANIZATION_LEFT, MEMBER_LINKED, MEMBER_UNLINKED),
)
