"""Organisations: shops that share a balance, and who of their members is one person."""

from typing import Final
from uuid import UUID

from contracts.kit import Body, Contracts, Event, Instant

_AUTH: Final = "auth"
_USERS: Final = "users"


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
    events=(ORGANIZATION_JOINED, ORGANIZATION_LEFT, MEMBER_LINKED, MEMBER_UNLINKED)
)
