"""The members' profiles: what the mesh knows of each, without personal data."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from ports.purchases import MemberKey


class RfmPart(msgspec.Struct, frozen=True):
    """What RFM says of a member; version 0 is before it has said anything."""

    recency: int = 0
    frequency: int = 0
    monetary: int = 0
    segment: str = ""
    orders: int = 0
    spent: Decimal = Decimal(0)
    last_order_at: datetime | None = None
    version: int = 0


class TierPart(msgspec.Struct, frozen=True):
    """The member's VIP tier; version 0 is before one was ever assigned."""

    tier: str = ""
    version: int = 0


class Told(msgspec.Struct, frozen=True):
    """What a batch says of a member; ``at`` is the earliest moment it knows of them."""

    at: datetime
    shopify_customer_id: str = ""
    rfm: RfmPart = RfmPart()
    tier: TierPart = TierPart()


class MemberProfile(msgspec.Struct, frozen=True):
    """``version`` counts the changes of segment and tier."""

    customer_id: UUID
    shopify_customer_id: str
    rfm: RfmPart
    tier: TierPart
    created_at: datetime
    version: int


class Learnt(msgspec.Struct, frozen=True):
    """What others are told of a member who is new to us or has another segment or tier."""

    shopify_customer_id: str
    segment: str
    tier: str
    version: int
    new: bool


class Place(NamedTuple):
    """Where a member stands in the list of members; None: has never ordered."""

    last_order_at: datetime | None
    customer_id: UUID


class Members(Protocol):
    """Works inside one transaction. Who has left (``ports.leaving``) is shown no more, and what is
    learnt of them is told to nobody."""

    async def learn(self, told: Mapping[MemberKey, Told]) -> Mapping[MemberKey, Learnt]:
        """Bring profiles up to date: of scores and of the tier the higher version stands.

        Returns the members who are new, or whose segment or tier is another one now.
        """
        ...

    async def find(self, key: MemberKey) -> MemberProfile | None:
        """A member; of one who was merged into another the other."""
        ...

    async def several(
        self, merchant_id: UUID, customers: Sequence[UUID]
    ) -> Sequence[MemberProfile]:
        """Those of these members that the shop has, in no particular order."""
        ...

    async def page(
        self, merchant_id: UUID, *, segment: str, tier: str, after: Place | None, limit: int
    ) -> Sequence[MemberProfile]:
        """Newest order first, those who never ordered last; "" does not narrow."""
        ...
