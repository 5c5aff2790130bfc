"""What a shop's members hold together, now or at a moment of the past."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from ports.programs import Programs


class TierHolding(NamedTuple):
    """Of all wallets of a tier: points that can be spent or wait to be, and what is below zero."""

    tier: str
    members: int
    spendable: int
    pending: int
    debts: int
    spent: int
    expired: int


class ExpiringHolding(NamedTuple):
    """Spendable points that expire in a month (``2026-05``); empty for those without a date."""

    month: str
    points: int


class Holdings(Programs, Protocol):
    """Works inside one transaction."""

    async def held(self, merchant_id: UUID, at: datetime | None) -> Sequence[TierHolding]:
        """By the tier that members are in now, by name; ``at`` None is now."""
        ...

    async def expiring(self, merchant_id: UUID, zone: str) -> Sequence[ExpiringHolding]:
        """What is spendable now, by the months of a time zone."""
        ...
