"""Members' RFM scores as the use cases need them: the latest, how many in each segment, history."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from domain.rfm.profile import Profile
from domain.rfm.scoring import Score
from ports.programs import Programs
from ports.purchases import Buyers, MemberKey
from ports.walks import Walks


class Scored(msgspec.Struct, frozen=True):
    """A member's score (None when no order counts, or none does any more), the segment it falls
    into ("" without a score), and when time alone will change it. ``version`` counts the changes
    that were announced. Whoever ``departed`` (their shop deleted them) is in no segment."""

    score: Score | None
    segment: str
    scored_at: datetime
    decays_at: datetime | None
    version: int
    departed: bool = False


class Rescored(msgspec.Struct, frozen=True):
    before: Scored | None
    after: Scored


class Profiles(Buyers, Programs, Walks, Protocol):
    """Works inside one transaction. Who scores a member holds their profile (``ports.purchases``),
    so scores need no lock of their own."""

    async def scores(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Scored]:
        """The scores that exist of these members."""
        ...

    async def depart(self, keys: Iterable[MemberKey], now: datetime) -> None:
        """Remember of members, known or not, that they have left, and hold their profiles until
        the transaction ends."""
        ...

    async def keep(self, rescored: Mapping[MemberKey, Rescored]) -> None:
        """Store new scores, move the members between the segments' counts, and add to the history
        those whose score is another than before."""
        ...

    async def decayed(self, at: datetime, limit: int) -> Sequence[MemberKey]:
        """Members whose scores time has changed by then, the longest ago first."""
        ...

    async def find(self, key: MemberKey) -> tuple[Profile, Scored] | None:
        """A member, or who stands for them; None for somebody of whom no order is known."""
        ...

    async def segment_counts(self, merchant_id: UUID) -> Mapping[str, int]:
        """Members by segment; segments without members may be missing."""
        ...
