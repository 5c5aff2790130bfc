"""Organisations and which shops are in them, as auth keeps it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.admins.guessing import Failures
from ports.merchants import Status
from ports.sealing import NewKey


@dataclass(frozen=True, slots=True)
class Standing:
    """How a shop stands towards organisations. ``organization_id`` is None while it is in none;
    ``joined_with`` is the digest of the code it joined with, empty for the shop that made the
    organisation. ``version`` counts its joining and leaving."""

    merchant_id: UUID
    status: Status
    installed_at: datetime
    organization_id: UUID | None
    joined_at: datetime | None
    joined_with: bytes
    version: int


class Organization(NamedTuple):
    organization_id: UUID
    name: str
    created_at: datetime


class ShopSeen(NamedTuple):
    """All that shops of an organisation see of each other."""

    merchant_id: UUID
    shop_domain: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """That a shop lets another into its organisation; ``digest`` is of the code that it knows."""

    merchant_id: UUID
    organization_id: UUID
    digest: bytes
    created_at: datetime
    expires_at: datetime


class Memberships(Protocol):
    """What of organisations is a shop's own. Works inside one transaction."""

    async def hold(self, merchant_ids: Collection[UUID]) -> Mapping[UUID, Standing]:
        """Known shops, held until the transaction ends; those that hold several of the same come
        one after another."""
        ...

    async def organization_of(self, merchant_id: UUID) -> UUID | None:
        """The organisation that a shop is in."""
        ...

    async def enter(
        self, merchant_id: UUID, organization_id: UUID, joined_with: bytes, at: datetime
    ) -> int:
        """Put a shop that is held, and in no organisation, into this one. Returns its version."""
        ...

    async def leave(self, merchant_id: UUID) -> int:
        """Put a shop that is held into no organisation; it invites nobody any more. Returns its
        version."""
        ...

    async def invite(self, invitation: Invitation) -> None:
        """Keep the one invitation of a shop, in place of any before."""
        ...

    async def uninvite(self, merchant_id: UUID) -> None:
        """The invitation of a shop is used up."""
        ...

    async def wrong_codes(self, merchant_id: UUID) -> Failures:
        """What was counted of wrong codes in a shop that is held."""
        ...

    async def count_wrong_codes(self, merchant_id: UUID, failures: Failures) -> None: ...


class Organizations(Memberships, Protocol):
    """And what is of several shops, or of none. Works inside one transaction, across shops."""

    async def found(self, organization: Organization, key: NewKey) -> None:
        """Keep a new organisation, without shops, and its key."""
        ...

    async def find(self, organization_id: UUID) -> Organization: ...

    async def shops_of(self, organization_id: UUID) -> Sequence[ShopSeen]:
        """Those that are in it, the first to join first."""
        ...

    async def count_shops(self, organization_id: UUID) -> int:
        """Those that are in it. Nobody joins or leaves it from then on, until the transaction
        ends, who counts as well."""
        ...

    async def end(self, organization_id: UUID) -> None:
        """Forget an organisation, and its key with it."""
        ...

    async def invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        """One that is not over."""
        ...

    async def wrapped_key(self, merchant_id: UUID, organization_id: UUID) -> str:
        """The key of an organisation; empty unless this shop is in it."""
        ...
