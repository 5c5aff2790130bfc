"""The fast copy of the leaderboards: it may lose anything; a database holds the truth."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.leaderboard import Period


class Board(NamedTuple):
    """One ranking: a shop's members over one period; ``key`` is ``domain.leaderboard``'s."""

    period: Period
    key: str
    merchant_id: UUID


Points = Mapping[UUID, int]
"""What members have on a board, by customer id: absolute numbers, which only grow."""


class Score(NamedTuple):
    """What a member has on a board."""

    board: Board
    customer_id: UUID
    points: int


class Leaderboards(Protocol):
    """Scores only grow, so writing one twice, late or out of order does no harm. Every method
    raises Unavailable when the copy cannot be reached."""

    async def show(self, changed: Mapping[Board, Points]) -> None:
        """Bring what has changed onto its boards."""
        ...

    async def top(self, board: Board, limit: int) -> Sequence[Score] | None:
        """Highest first, equal ones by customer id downwards. None: the board is not whole here
        (never was, or got lost) and needs a rebuild."""
        ...

    async def rebuild(
        self, board: Board, load: Callable[[], Awaitable[Sequence[Score]]]
    ) -> Sequence[Score]:
        """Bring all scores that ``load`` finds onto a board, call it whole, and return them.
        Updates may come in meanwhile."""
        ...

    async def distrust(self) -> None:
        """Call no board whole any more: an update may have been lost on its way here."""
        ...
