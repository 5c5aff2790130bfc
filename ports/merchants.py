"""The shops that use LoyalNest, as auth keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from ports.sealing import NewKeys, WrappedKeys


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True, slots=True)
class Suspension:
    """That LoyalNest has closed a shop: since when, by whom (``Caller.name``), and why."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class MerchantRow:
    """A shop. ``installed_at`` is when its present installation began, ``seen_at`` when the app was
    last known to be installed. ``keys`` are empty for one that was erased. A ``suspension`` goes on
    while the app is not installed; so ``status`` is never active with one."""

    merchant_id: UUID
    shop_domain: str
    status: Status
    currency: str
    time_zone: str
    keys: WrappedKeys
    installed_at: datetime
    seen_at: datetime
    changed_at: datetime
    suspension: Suspension | None = None


class Merchants(Protocol):
    """Works inside one transaction."""

    async def by_id(self, merchant_id: UUID) -> MerchantRow | None: ...

    async def by_domain(self, shop_domain: str) -> MerchantRow | None: ...

    async def add(self, merchant: MerchantRow, keys: NewKeys) -> bool:
        """Keep a new shop. False when its domain is known: then nothing has changed."""
        ...

    async def give_keys(self, merchant_id: UUID, keys: NewKeys, now: datetime) -> None:
        """Keep the first keys of a shop that has none, or none any more."""
        ...

    async def lock(self, shop_domain: str) -> MerchantRow:
        """A known shop, held until the transaction ends."""
        ...

    async def keep(self, merchant: MerchantRow) -> None:
        """Store what has become of a shop that was locked before."""
        ...

    async def suspended(self, after: UUID | None, limit: int) -> Sequence[MerchantRow]:
        """Shops with a suspension, by their ids."""
        ...

    async def seen(self, merchant_id: UUID, at: datetime) -> None:
        """The app was known to be installed at this time."""
        ...

    async def uninstall(self, at: Mapping[UUID, datetime], now: datetime) -> Sequence[MerchantRow]:
        """Mark these shops as uninstalled, unless the app was seen installed at or after the time
        given. Answers those that it changed."""
        ...
