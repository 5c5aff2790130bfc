"""What referrals remember: links, referrals, the addresses of members, and their first orders."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.points.orders import OrderFacts
from domain.referrals.states import Referral
from ports.programs import Programs


class MemberKey(NamedTuple):
    merchant_id: UUID
    customer_id: UUID


class AddressKey(NamedTuple):
    """An e-mail address of a shop's customer, by its blind index."""

    merchant_id: UUID
    email_index: str


@dataclass(frozen=True, slots=True)
class AdvocateLink:
    """A member's link; nobody can claim it from ``expires_at`` on, unless it is asked for again."""

    customer_id: UUID
    code: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Tracked:
    """A referral of a shop; ``friend_index`` is the address it was claimed with, empty without."""

    merchant_id: UUID
    referral: Referral
    friend_index: str


@dataclass(frozen=True, slots=True)
class Person:
    """All accounts and addresses that are known to be one person's."""

    customer_ids: frozenset[UUID]
    email_indexes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tally:
    """An advocate's referrals: how many in all, how many completed, and a page of them."""

    claimed: int
    completed: int
    page: Sequence[Tracked]


class ReferralBook(Programs, Protocol):
    """Works inside one transaction."""

    async def enter_claim(self, merchant_id: UUID) -> None:
        """Be the only one who claims in this shop, and with none of its orders being worked on,
        until the transaction ends."""
        ...

    async def enter_orders(self, merchants: Iterable[UUID]) -> None:
        """Work on orders of these shops with nobody claiming there until the transaction ends."""
        ...

    async def keep_link(self, merchant_id: UUID, link: AdvocateLink) -> AdvocateLink:
        """Store an advocate's link. One that is there stays, and lives at least as long as this
        one would; it is returned."""
        ...

    async def link_of(self, member: MemberKey) -> AdvocateLink | None: ...

    async def link(self, merchant_id: UUID, code: str) -> AdvocateLink | None: ...

    async def person(self, merchant_id: UUID, customer_id: UUID | None, email_index: str) -> Person:
        """Whoever has this account or has used this address."""
        ...

    async def claims_of(self, merchant_id: UUID, friend: Person) -> Sequence[Tracked]:
        """The referrals this person took as a friend, except those that expired."""
        ...

    async def waiting(
        self, friends: Iterable[MemberKey], addresses: Iterable[AddressKey]
    ) -> Sequence[Tracked]:
        """Claimed referrals that wait for an order of one of these friends, oldest claim first."""
        ...

    async def overdue(self, at: datetime, limit: int) -> Sequence[Tracked]:
        """Claimed referrals whose time was over at ``at``, held until the transaction ends; those
        that another transaction holds are passed over."""
        ...

    async def add(self, tracked: Tracked) -> None: ...

    async def move(self, moved: Sequence[Tracked]) -> set[UUID]:
        """Store the new state of referrals that were claimed. Returns the ids of those that still
        were: somebody else may have moved one first."""
        ...

    async def referral(self, merchant_id: UUID, referral_id: UUID) -> Tracked | None: ...

    async def tally(self, advocate: MemberKey, before: UUID | None, limit: int) -> Tally:
        """The page has the newest first, those older than the referral ``before``."""
        ...

    async def first_orders(
        self, members: Iterable[MemberKey]
    ) -> Mapping[MemberKey, Sequence[OrderFacts]]:
        """What is remembered of these members' first orders; nobody without any is in it."""
        ...

    async def learn_orders(
        self, orders: Mapping[MemberKey, Iterable[OrderFacts]], remembered: int
    ) -> set[MemberKey]:
        """Remember orders, and bring known ones up to date as ``domain.points.orders.merge`` says.
        An unknown order is passed over when so many earlier ones of its member, not cancelled,
        are remembered. Returns the members of whom anything was learnt."""
        ...

    async def learn_addresses(self, owners: Iterable[tuple[AddressKey, UUID]]) -> None:
        """Remember which account used which address; nothing is ever unlearnt."""
        ...
