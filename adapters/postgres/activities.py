"""``ports.activities.EarningCounts`` on PostgreSQL."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from datetime import date
from typing import Final

from adapters.postgres.connection import Connection, text
from adapters.postgres.merged import stands_for
from adapters.postgres.rows import as_rows
from domain.points.earning_limits import EVER, Counted
from domain.points.ledger import Source
from ports.activities import ActivityTold, CountKey, Days, Earned
from ports.earning import BuyerKey

_MEMBERS: Final = text(
    """
    SELECT k.merchant_id, k.customer_id
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    LEFT JOIN buyers b ON b.merchant_id = k.merchant_id AND b.customer_id = k.customer_id
    LEFT JOIN wallets w ON w.merchant_id = k.merchant_id AND w.customer_id = k.customer_id
    WHERE b.version IS NOT NULL OR w.version > 0 OR w.merged_into IS NOT NULL
    """
)
_ACTIVITY: Final = text(
    f"""
    SELECT t.entry_id, t.points, t.at, {stands_for("theirs")} = {stands_for("own")} AS is_theirs
    FROM points_transactions t
    JOIN wallets own ON own.merchant_id = t.merchant_id AND own.customer_id = t.customer_id
    LEFT JOIN wallets theirs ON theirs.merchant_id = t.merchant_id
        AND theirs.customer_id = :customer_id
    WHERE t.merchant_id = :merchant_id AND t.source_ref = :reference
        AND t.source = '{Source.ACTIVITY}' AND t.rule = :rule AND t.line = ''
    """
)
# Each row asks for a range of days, and for all time, which stands where a day stands; both are
# ranges of the key, of each of the few who are one person.
_EARNED: Final = text(
    f"""
    SELECT a.merchant_id, a.customer_id, a.rule, a.stand_in, c.day,
        CAST(sum(c.times) AS bigint) AS times, CAST(sum(c.points) AS bigint) AS points
    FROM (
        SELECT r.*, {stands_for("asked")} AS stand_in
        FROM json_to_recordset(CAST(:rows AS json)) AS r (
            merchant_id uuid, customer_id uuid, rule text, first date, last date
        )
        JOIN wallets asked ON asked.merchant_id = r.merchant_id
            AND asked.customer_id = r.customer_id
    ) AS a
    JOIN wallets w ON w.merchant_id = a.merchant_id
        AND (w.customer_id = a.stand_in OR w.merged_into = a.stand_in)
    CROSS JOIN LATERAL (
        VALUES (a.first, a.last), (CAST('{EVER}' AS date), CAST('{EVER}' AS date))
    ) AS s (first, last)
    LEFT JOIN earning_counts c ON c.merchant_id = w.merchant_id AND c.customer_id = w.customer_id
        AND c.rule = a.rule AND c.day BETWEEN s.first AND s.last
    GROUP BY a.merchant_id, a.customer_id, a.rule, a.stand_in, c.day
    """
)
_COUNT: Final = text(
    """
    INSERT INTO earning_counts AS c (merchant_id, customer_id, rule, day, times, points)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, customer_id uuid, rule text, day date, times bigint, points bigint
    )
    ON CONFLICT (merchant_id, customer_id, rule, day) DO UPDATE SET
        times = c.times + excluded.times, points = c.points + excluded.points
    """
)


class PostgresEarningCounts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def members(self, keys: Iterable[BuyerKey]) -> Set[BuyerKey]:
        asked = sorted(keys)
        if not asked:
            return set()
        names = {
            "merchants": [key.merchant_id for key in asked],
            "customers": [key.customer_id for key in asked],
        }
        rows = await self._connection.execute(_MEMBERS, names)
        return {BuyerKey(row.merchant_id, row.customer_id) for row in rows}

    async def activity(self, member: BuyerKey, rule: str, reference: str) -> ActivityTold | None:
        found = await self._connection.execute(
            _ACTIVITY, member._asdict() | {"rule": rule, "reference": reference}
        )
        row = found.one_or_none()
        if row is None:
            return None
        return ActivityTold(row.entry_id, row.points, row.at, bool(row.is_theirs))

    async def earned(self, asked: Mapping[CountKey, Days]) -> Mapping[CountKey, Earned]:
        if not asked:
            return {}
        rows = as_rows(key._asdict() | days._asdict() for key, days in asked.items())
        stand_ins: dict[CountKey, CountKey] = {}
        by_day: dict[CountKey, dict[date, Counted]] = defaultdict(dict)
        for row in await self._connection.execute(_EARNED, {"rows": rows}):
            key = CountKey(row.merchant_id, row.customer_id, row.rule)
            stand_ins[key] = key._replace(customer_id=row.stand_in)
            if row.day is not None:
                by_day[key][row.day] = Counted(row.times, row.points)
        return {key: Earned(stand_in, by_day[key]) for key, stand_in in stand_ins.items()}

    async def count(self, counted: Mapping[tuple[CountKey, date], Counted]) -> None:
        totals: dict[tuple[CountKey, date], Counted] = defaultdict(Counted)
        for (key, day), each in counted.items():
            totals[key, day] += each
            totals[key, EVER] += each
        rows = [
            key._asdict() | {"day": day, "times": each.times, "points": each.points}
            # In one order everywhere, so that no two batches deadlock.
            for (key, day), each in sorted(totals.items(), key=lambda item: item[0])
        ]
        if rows:
            await self._connection.execute(_COUNT, {"rows": as_rows(rows)})
