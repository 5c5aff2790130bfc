"""``ports.badges.Standings`` on PostgreSQL: whole batches in one statement each."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.rows import as_rows
from domain.leaderboard import Period
from ports.badges import Award, HeldBadge, MemberKey, ScoreKey, ShopZone
from ports.leaderboard import Board, Score

_HELD: Final = text(
    """
    SELECT b.merchant_id, b.customer_id, b.badge
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN customer_badges b USING (merchant_id, customer_id)
    """
)
_BADGES: Final = text(
    """
    SELECT badge, awarded_at FROM customer_badges
    WHERE merchant_id = :merchant_id AND customer_id = :customer_id
    ORDER BY awarded_at, badge
    """
)
_AWARD: Final = text(
    """
    INSERT INTO customer_badges (merchant_id, customer_id, badge, reason, awarded_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, customer_id uuid, badge text, reason text, awarded_at timestamptz
    )
    ON CONFLICT DO NOTHING
    RETURNING merchant_id, customer_id, badge
    """
)
_ADD: Final = text(
    """
    INSERT INTO leaderboard_rankings AS r (period, period_key, merchant_id, customer_id, points)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        period text, period_key text, merchant_id uuid, customer_id uuid, points bigint
    )
    ON CONFLICT (period, period_key, merchant_id, customer_id)
        DO UPDATE SET points = r.points + excluded.points
    RETURNING period, period_key, merchant_id, customer_id, points
    """
)
_TOP: Final = text(
    """
    SELECT customer_id, points FROM leaderboard_rankings
    WHERE period = :period AND period_key = :key AND merchant_id = :merchant_id
    ORDER BY points DESC, customer_id DESC LIMIT CAST(:most AS bigint)
    """
)
_PRUNE: Final = text(
    """
    DELETE FROM leaderboard_rankings
    WHERE (period, period_key, merchant_id, customer_id) IN (
        SELECT period, period_key, merchant_id, customer_id FROM leaderboard_rankings
        WHERE period = 'day' AND period_key < :before
        ORDER BY period_key LIMIT :most FOR UPDATE SKIP LOCKED
    )
    """
)
_ZONES: Final = text(
    "SELECT merchant_id, time_zone FROM shops WHERE merchant_id = ANY(CAST(:ids AS uuid[]))"
)
_LEARN_ZONES: Final = text(
    """
    INSERT INTO shops AS s (merchant_id, time_zone, version)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, time_zone text, version integer)
    ON CONFLICT (merchant_id) DO UPDATE
        SET time_zone = excluded.time_zone, version = excluded.version
        WHERE s.version < excluded.version
    """
)


class PostgresStandings:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.changed: list[Score] = []

    async def held(self, members: Iterable[MemberKey]) -> Mapping[MemberKey, frozenset[str]]:
        keys = list(members)
        rows = await self._connection.execute(
            _HELD,
            {
                "merchants": [key.merchant_id for key in keys],
                "customers": [key.customer_id for key in keys],
            },
        )
        found: dict[MemberKey, set[str]] = defaultdict(set)
        for merchant_id, customer_id, badge in rows:
            found[MemberKey(merchant_id, customer_id)].add(badge)
        return {member: frozenset(badges) for member, badges in found.items()}

    async def badges(self, member: MemberKey) -> Sequence[HeldBadge]:
        rows = await self._connection.execute(_BADGES, member._asdict())
        return [HeldBadge(row.badge, row.awarded_at) for row in rows]

    async def award(self, awards: Sequence[Award]) -> Sequence[Award]:
        if not awards:
            return ()
        # In one order everywhere, so that no two batches deadlock.
        ordered = sorted(awards, key=lambda each: (each.member, each.badge))
        rows = await self._connection.execute(
            _AWARD,
            {
                "rows": as_rows(
                    {
                        "merchant_id": each.member.merchant_id,
                        "customer_id": each.member.customer_id,
                        "badge": each.badge,
                        "reason": each.reason,
                        "awarded_at": each.at,
                    }
                    for each in ordered
                )
            },
        )
        given = {(MemberKey(merchant, customer), badge) for merchant, customer, badge in rows}
        return [each for each in ordered if (each.member, each.badge) in given]

    async def add(self, points: Mapping[ScoreKey, int]) -> None:
        if not points:
            return
        # In one order everywhere, so that no two batches deadlock. Bytes compare much faster.
        keys = sorted(
            points,
            key=lambda k: (
                k.board.period,
                k.board.key,
                k.board.merchant_id.bytes,
                k.customer_id.bytes,
            ),
        )
        rows = await self._connection.execute(
            _ADD,
            {
                "rows": as_rows(
                    {
                        "period": key.board.period,
                        "period_key": key.board.key,
                        "merchant_id": key.board.merchant_id,
                        "customer_id": key.customer_id,
                        "points": points[key],
                    }
                    for key in keys
                )
            },
        )
        boards: dict[tuple[str, str, UUID], Board] = {}
        for period, key, merchant, customer, total in rows:
            name = (period, key, merchant)
            if (board := boards.get(name)) is None:
                board = boards[name] = Board(Period(period), key, merchant)
            self.changed.append(Score(board, customer, total))

    async def top(self, board: Board, limit: int | None) -> Sequence[Score]:
        rows = await self._connection.execute(
            _TOP,
            {
                "period": board.period,
                "key": board.key,
                "merchant_id": board.merchant_id,
                "most": limit,
            },
        )
        return [Score(board, customer, points) for customer, points in rows]

    async def prune_days(self, before: date, limit: int) -> int:
        done = await self._connection.execute(_PRUNE, {"before": before.isoformat(), "most": limit})
        return done.rowcount

    async def zones(self, merchants: Iterable[UUID]) -> Mapping[UUID, str]:
        rows = await self._connection.execute(_ZONES, {"ids": list(merchants)})
        return {row.merchant_id: row.time_zone for row in rows}

    async def learn_zones(self, zones: Mapping[UUID, ShopZone]) -> None:
        if not zones:
            return
        rows = as_rows(
            {"merchant_id": merchant, "time_zone": shop.zone, "version": shop.version}
            for merchant, shop in sorted(zones.items())
        )
        await self._connection.execute(_LEARN_ZONES, {"rows": rows})
