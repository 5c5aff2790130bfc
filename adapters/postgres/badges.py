"""``ports.badges.Standings`` on PostgreSQL: whole batches in one statement each."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.rows import as_rows
from domain.leaderboard import Period
from ports.badges import Award, Earned, HeldBadge, MemberKey, ShopZone
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
_ALL: Final = "all"
_DATED: Final = (Period.DAY, Period.WEEK, Period.MONTH)


def _period_columns(period: Period) -> str:
    """How a stored period takes in points: of a newer one it begins anew, of an older one it has
    nothing."""
    return f"""
        {period}_points = CASE
            WHEN excluded.{period}_key = r.{period}_key
            THEN r.{period}_points + excluded.{period}_points
            WHEN excluded.{period}_key > r.{period}_key THEN excluded.{period}_points
            ELSE r.{period}_points
        END,
        {period}_key = greatest(r.{period}_key, excluded.{period}_key)
    """


_ADD: Final = text(
    f"""
    INSERT INTO member_points AS r (
        merchant_id, customer_id, day_key, day_points, week_key, week_points, month_key,
        month_points, all_points
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, customer_id uuid, day_key text, day_points bigint, week_key text,
        week_points bigint, month_key text, month_points bigint, all_points bigint
    )
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        {", ".join(_period_columns(period) for period in _DATED)},
        all_points = r.all_points + excluded.all_points
    RETURNING *
    """
)


def _top(period: Period) -> str:
    return f"""
        SELECT customer_id, {period}_points FROM member_points
        WHERE merchant_id = :merchant_id
            {"" if period is Period.ALL else f"AND {period}_key = :key"}
        ORDER BY {period}_points DESC, customer_id DESC LIMIT CAST(:most AS bigint)
    """


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
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.changed: dict[Board, dict[UUID, int]] = defaultdict(dict)

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

    async def add(self, earned: Iterable[Earned]) -> None:
        rows: dict[MemberKey, dict[str, Any]] = {}
        for each in earned:
            row = rows.get(each.member)
            if row is None:
                rows[each.member] = _row(each)
            else:
                _add_to(row, each)
        if not rows:
            return
        # In one order everywhere, so that no two batches deadlock. Bytes compare much faster.
        keys = sorted(rows, key=lambda k: (k.merchant_id.bytes, k.customer_id.bytes))
        found = await self._connection.execute(_ADD, {"rows": as_rows(rows[key] for key in keys)})
        by_boards: dict[tuple[UUID, str, str, str], list[Any]] = defaultdict(list)
        for row in found:
            by_boards[row.merchant_id, row.day_key, row.week_key, row.month_key].append(row)
        for (merchant, day, week, month), several in by_boards.items():
            for period, name in zip(Period, (day, week, month, _ALL), strict=True):
                points = attrgetter("customer_id", f"{period}_points")
                self.changed[Board(period, name, merchant)].update(map(points, several))

    async def top(self, board: Board, limit: int | None) -> Sequence[Score]:
        values: dict[str, object] = {"merchant_id": board.merchant_id, "most": limit}
        if board.period is not Period.ALL:
            values["key"] = board.key
        rows = await self._connection.execute(text(_top(board.period)), values)
        return [Score(board, customer, points) for customer, points in rows]

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


def _row(earned: Earned) -> dict[str, Any]:
    row: dict[str, Any] = {
        "merchant_id": earned.member.merchant_id,
        "customer_id": earned.member.customer_id,
        "all_points": earned.points,
    }
    for period in _DATED:
        row[f"{period}_key"] = earned.keys[period]
        row[f"{period}_points"] = earned.points
    return row


def _add_to(row: dict[str, Any], earned: Earned) -> None:
    """What the database would make of the second after the first; it takes one of each member."""
    row["all_points"] += earned.points
    for period in _DATED:
        key, points = f"{period}_key", f"{period}_points"
        if earned.keys[period] > row[key]:
            row[key], row[points] = earned.keys[period], earned.points
        elif earned.keys[period] == row[key]:
            row[points] += earned.points
