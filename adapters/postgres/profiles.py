"""``ports.profiles.Profiles`` on PostgreSQL."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from adapters.postgres.connection import Row, text
from adapters.postgres.merged import stands_for
from adapters.postgres.merging_buyers import PostgresMergingBuyers
from adapters.postgres.programs import PostgresPrograms
from adapters.postgres.purchases import columns_of, member_order, profile_in
from adapters.postgres.rows import as_rows
from adapters.postgres.walks import PostgresWalks
from domain.rfm.profile import Profile
from domain.rfm.scoring import Score
from ports.profiles import Rescored, Scored
from ports.purchases import MemberKey

_SCORES: Final = text(
    """
    SELECT s.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN customer_segments s USING (merchant_id, customer_id)
    """
)
_COLUMNS: Final = (
    "merchant_id, customer_id, recency, frequency, monetary, segment, scored_at, decays_at, version"
)
# The history is written from the same rows, so that they cross the wire once.
_KEEP: Final = text(
    f"""
    WITH kept AS (
        INSERT INTO customer_segments ({_COLUMNS})
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
            merchant_id uuid, customer_id uuid, recency smallint, frequency smallint,
            monetary smallint, segment text, scored_at timestamptz, decays_at timestamptz,
            version bigint
        )
        ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
            recency = excluded.recency, frequency = excluded.frequency,
            monetary = excluded.monetary, segment = excluded.segment,
            scored_at = excluded.scored_at, decays_at = excluded.decays_at,
            version = excluded.version
        RETURNING new.*, (new.recency, new.frequency, new.monetary) IS DISTINCT FROM
            (old.recency, old.frequency, old.monetary) AS moved
    )
    INSERT INTO rfm_score_history (
        merchant_id, customer_id, version, recency, frequency, monetary, segment, at
    )
    SELECT merchant_id, customer_id, version, recency, frequency, monetary, segment, scored_at
    FROM kept WHERE moved
    """
)
# Whoever is just being learnt of by an order is waited for, and an order that comes later waits.
_HOLD: Final = text(
    """
    INSERT INTO profiles (merchant_id, customer_id, shopify_customer_id, orders, spent)
    SELECT merchant_id, customer_id, '', 0, 0
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET orders = profiles.orders
    """
)
_DEPART: Final = text(
    f"""
    INSERT INTO customer_segments ({_COLUMNS}, departed)
    SELECT merchant_id, customer_id, 0, 0, 0, '', :now, NULL, 0, true
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET departed = true
    """
)
_COUNT: Final = text(
    """
    INSERT INTO rfm_segment_counts AS c (merchant_id, segment, members)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, segment text, members bigint)
    ON CONFLICT (merchant_id, segment) DO UPDATE SET members = c.members + excluded.members
    """
)
_DECAYED: Final = text(
    """
    SELECT merchant_id, customer_id FROM customer_segments
    WHERE decays_at <= :at ORDER BY decays_at LIMIT :most
    """
)
_FIND: Final = text(
    f"""
    SELECT p.*, s.recency, s.frequency, s.monetary, s.segment, s.scored_at, s.decays_at, s.version,
        s.departed
    FROM profiles a
    JOIN profiles p ON p.merchant_id = a.merchant_id AND p.customer_id = {stands_for("a")}
    JOIN customer_segments s ON s.merchant_id = p.merchant_id AND s.customer_id = p.customer_id
    WHERE a.merchant_id = :merchant_id AND a.customer_id = :customer_id
    """
)
_COUNTS: Final = text(
    "SELECT segment, members FROM rfm_segment_counts WHERE merchant_id = :merchant_id"
)
_NO_SCORE: Final = Score(0, 0, 0)


class PostgresProfiles(PostgresMergingBuyers, PostgresPrograms, PostgresWalks):
    async def scores(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Scored]:
        rows = await self._connection.execute(_SCORES, columns_of(keys))
        return {MemberKey(row.merchant_id, row.customer_id): _scored(row) for row in rows}

    async def depart(self, keys: Iterable[MemberKey], now: datetime) -> None:
        if ordered := sorted(keys, key=member_order):
            names = columns_of(ordered)
            await self._connection.execute(_HOLD, names)
            await self._connection.execute(_DEPART, names | {"now": now})

    async def keep(self, rescored: Mapping[MemberKey, Rescored]) -> None:
        if not rescored:
            return
        rows = as_rows(_row(key, rescored[key].after) for key in sorted(rescored, key=member_order))
        await self._connection.execute(_KEEP, {"rows": rows})
        await self._count(rescored)

    async def _count(self, rescored: Mapping[MemberKey, Rescored]) -> None:
        """Last of all that a batch writes: these are the rows that every batch of a shop shares."""
        moves: Counter[tuple[UUID, str]] = Counter()
        for key, change in rescored.items():
            if change.before is not None:
                moves[key.merchant_id, change.before.segment] -= 1
            moves[key.merchant_id, change.after.segment] += 1
        cells = sorted(cell for cell, members in moves.items() if members and cell[1])
        if cells:
            rows = as_rows(
                {"merchant_id": cell[0], "segment": cell[1], "members": moves[cell]}
                for cell in cells
            )
            await self._connection.execute(_COUNT, {"rows": rows})

    async def decayed(self, at: datetime, limit: int) -> Sequence[MemberKey]:
        rows = await self._connection.execute(_DECAYED, {"at": at, "most": limit})
        return [MemberKey(row.merchant_id, row.customer_id) for row in rows]

    async def find(self, key: MemberKey) -> tuple[Profile, Scored] | None:
        rows = await self._connection.execute(_FIND, key._asdict())
        row = rows.one_or_none()
        return None if row is None else (profile_in(row), _scored(row))

    async def segment_counts(self, merchant_id: UUID) -> Mapping[str, int]:
        rows = await self._connection.execute(_COUNTS, {"merchant_id": merchant_id})
        return {row.segment: row.members for row in rows}


def _row(key: MemberKey, scored: Scored) -> dict[str, Any]:
    r, f, m = scored.score or _NO_SCORE
    return {
        "merchant_id": key.merchant_id,
        "customer_id": key.customer_id,
        "recency": r,
        "frequency": f,
        "monetary": m,
        "segment": scored.segment,
        "scored_at": scored.scored_at,
        "decays_at": scored.decays_at,
        "version": scored.version,
    }


def _scored(row: Row) -> Scored:
    score = Score(row.recency, row.frequency, row.monetary)
    return Scored(
        score=None if score == _NO_SCORE else score,
        segment=row.segment,
        scored_at=row.scored_at,
        decays_at=row.decays_at,
        version=row.version,
        departed=row.departed,
    )
