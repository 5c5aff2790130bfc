"""Members' VIP tiers as the use cases need them: who has which, and how many have each."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from ports.programs import Programs
from ports.purchases import MemberKey
from ports.walks import Walks


class Assigned(NamedTuple):
    """A member's tier, "" for none (any more); ``version`` counts how often it changed."""

    tier: str = ""
    version: int = 0


NEVER = Assigned()


class Climb(msgspec.Struct, frozen=True):
    """What a member climbs with: orders that count, and lifetime net spend in shop currency.
    ``version`` is that of the news it is from; a higher one is newer."""

    orders: int = 0
    spent: Decimal = Decimal(0)
    shopify_customer_id: str = ""
    version: int = 0


class Standing(msgspec.Struct, frozen=True):
    """What a member climbs with, and the tier that was last made of it."""

    climb: Climb
    assigned: Assigned


NOWHERE = Standing(Climb(), NEVER)


class Move(msgspec.Struct, frozen=True):
    before: Assigned
    after: Assigned
    at: datetime


class Standings(Programs, Walks, Protocol):
    """Works inside one transaction. A member who was learnt of or locked is held until it ends, so
    a tier is made by one transaction at a time."""

    async def learn(self, told: Mapping[MemberKey, Climb]) -> Mapping[MemberKey, Standing]:
        """Believe what is newer than what is known; returns the members who climb with something
        else now."""
        ...

    async def lock(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Standing]:
        """Those of these members that are known, held until the transaction ends."""
        ...

    async def assign(self, moves: Mapping[MemberKey, Move]) -> None:
        """Move members that are held between tiers, and the tiers' counts."""
        ...

    async def find(self, key: MemberKey) -> Standing:
        """NOWHERE for somebody of whom nothing is known."""
        ...

    async def tier_counts(self, merchant_id: UUID) -> Mapping[str, int]:
        """Members by tier; tiers without members may be missing."""
        ...
