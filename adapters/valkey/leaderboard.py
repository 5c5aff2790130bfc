"""``ports.leaderboard.Leaderboards`` as sorted sets, ``leaderboard:{merchant id}:{period key}``.

A set is made when somebody asks for the board, and only sets that are there are kept up to date: of
most shops nobody ever looks at most boards. Its first member says when it was begun. Scores are
looked for after that, and what is counted from then on comes by itself.

A set is whole when it holds a marker beside its members, with the current epoch as its score; it
gets one only if it is still the set that was begun before the scores were looked for. The marker
lives and dies with the set, so a flush, an eviction or a restart without data can never leave half
a board that looks whole. Raising the epoch distrusts all boards at once.

``ZADD GT`` only ever raises a score: repeats, races between processes and a rebuild beside running
updates all end in the highest score seen, and scores only grow.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import Unavailable
from domain.leaderboard import Period
from ports.leaderboard import Board, Points, Score

_EPOCH: Final = "leaderboard:epoch"
_BEGUN: Final = "begun"
_WHOLE: Final = "whole"
"""The marker. Its score, the negative epoch, keeps it below every member. So does that of
``_BEGUN``, the negative time: a set that is lost and begun anew has another."""
_BEGIN: Final = f"""
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'NX', -(time[1] * 1000000 + time[2]), '{_BEGUN}')
if ARGV[1] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {{redis.call('GET', KEYS[2]) or '0', redis.call('ZSCORE', KEYS[1], '{_BEGUN}')}}
"""
_FINISH: Final = f"""
if redis.call('ZSCORE', KEYS[1], '{_BEGUN}') == ARGV[1] then
    redis.call('ZADD', KEYS[1], -ARGV[2], '{_WHOLE}')
end
"""

_DAY: Final = 86_400
_KEPT_SECONDS: Final = {
    Period.DAY: 2 * _DAY,
    Period.WEEK: 9 * _DAY,
    Period.MONTH: 33 * _DAY,
}
"""After its last update: longer than the period, so that a board that is over goes by itself."""

_AT_ONCE: Final = 5000
_AWAY: Final = "The leaderboards' copy cannot be reached."


_PATIENCE_SECONDS: Final = 0.5
_REBUILD_SECONDS: Final = 5.0
_LEFT_ALONE_SECONDS: Final = 1.0
"""After a failure nobody waits for the copy for so long: counting and reading go on without it."""


class ValkeyLeaderboards:
    def __init__(self, valkey: Redis, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._valkey = valkey
        self._monotonic = monotonic
        self._away_until = 0.0
        self._begin = valkey.register_script(_BEGIN)
        self._finish = valkey.register_script(_FINISH)

    async def show(self, changed: Mapping[Board, Points]) -> None:
        async with self._reached():
            async with self._valkey.pipeline(transaction=False) as pipe:
                for board in changed:
                    pipe.exists(_name(board))
                asked_for = await pipe.execute()
            async with self._valkey.pipeline(transaction=False) as pipe:
                for (board, points), is_there in zip(changed.items(), asked_for, strict=True):
                    if is_there:
                        _add(pipe, board, points)
                await pipe.execute()

    async def top(self, board: Board, limit: int) -> Sequence[Score] | None:
        name = _name(board)
        async with self._reached(), self._valkey.pipeline(transaction=True) as pipe:
            pipe.get(_EPOCH)
            pipe.zscore(name, _WHOLE)
            pipe.zrevrange(name, 0, limit - 1, withscores=True)
            epoch, marker, found = await pipe.execute()
        if marker is None or int(-marker) != int(epoch or 0):
            return None
        return [
            Score(board, UUID(member.decode()), int(points))
            for member, points in found
            if points > 0
        ]

    async def rebuild(
        self, board: Board, load: Callable[[], Awaitable[Sequence[Score]]]
    ) -> Sequence[Score]:
        name = _name(board)
        async with self._reached():
            # Before the scores: a distrust while they are on their way must win, and what is
            # counted meanwhile must find the set.
            epoch, begun = await self._begin(
                keys=[name, _EPOCH], args=[_KEPT_SECONDS.get(board.period, "")]
            )
        scores = await load()
        # All or nothing: a flush between the scores and the marker would make an empty board whole.
        async with self._reached(_REBUILD_SECONDS), self._valkey.pipeline(transaction=True) as pipe:
            for start in range(0, len(scores), _AT_ONCE):
                part = scores[start : start + _AT_ONCE]
                _add(pipe, board, {each.customer_id: each.points for each in part})
            await self._finish(keys=[name], args=[begun, epoch], client=pipe)
            await pipe.execute()
        return scores

    async def distrust(self) -> None:
        async with self._reached():
            await self._valkey.incr(_EPOCH)

    @asynccontextmanager
    async def _reached(self, seconds: float = _PATIENCE_SECONDS) -> AsyncIterator[None]:
        # The client's own retries take longer than anybody here can wait.
        if self._monotonic() < self._away_until:
            raise Unavailable(_AWAY)
        try:
            async with asyncio.timeout(seconds):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._monotonic() + _LEFT_ALONE_SECONDS
            raise Unavailable(_AWAY) from error


def _name(board: Board) -> str:
    return f"leaderboard:{board.merchant_id}:{board.key}"


def _add(pipe: Any, board: Board, points: Points) -> None:
    pipe.zadd(_name(board), {str(customer): has for customer, has in points.items()}, gt=True)
    if seconds := _KEPT_SECONDS.get(board.period):
        pipe.expire(_name(board), seconds)
