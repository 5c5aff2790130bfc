"""Members' VIP tiers as the use cases need them: who has which, and how many have each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.rfm.profile import Profile
from ports.programs import Programs
from ports.purchases import Buyers, MemberKey
from ports.walks import Walks


class Assigned(NamedTuple):
    """A member's tier, "" for none (any more); ``version`` counts how often it changed."""

    tier: str = ""
    version: int = 0


NEVER = Assigned()


@dataclass(frozen=True, slots=True)
class Move:
    before: Assigned
    after: Assigned
    at: datetime


class Standings(Buyers, Programs, Walks, Protocol):
    """Works inside one transaction. Who assigns a tier holds the member's profile
    (``ports.purchases``), so tiers need no lock of their own."""

    async def tiers(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Assigned]:
        """The tiers of those members who ever had one."""
        ...

    async def assign(self, moves: Mapping[MemberKey, Move]) -> None:
        """Move members between tiers and the tiers' counts."""
        ...

    async def find(self, key: MemberKey) -> tuple[Profile, Assigned]:
        """Somebody of whom no order is known has an empty profile and no tier."""
        ...

    async def tier_counts(self, merchant_id: UUID) -> Mapping[str, int]:
        """Members by tier; tiers without members may be missing."""
        ...
