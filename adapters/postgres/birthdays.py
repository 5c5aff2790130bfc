"""``ports.birthdays.BirthdayBook`` on PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.people import person_in
from adapters.postgres.rows import as_rows
from domain.days import day_of, start_of
from ports.birthdays import Calendar, Placed, ShopDay
from ports.people import Person, PersonKey

_HOLD: Final = text(
    """
    SELECT * FROM birthday_days WHERE merchant_id = ANY(CAST(:merchants AS uuid[]))
    ORDER BY merchant_id FOR UPDATE
    """
)
_LEARN: Final = text(
    """
    INSERT INTO birthday_days AS d (merchant_id, version, time_zone, day, after, due_at)
    SELECT merchant_id, version, time_zone, day, :nobody, due_at
    FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, version integer, time_zone text, day date, due_at timestamptz
    )
    ON CONFLICT (merchant_id) DO UPDATE SET
        version = excluded.version, time_zone = excluded.time_zone, due_at = excluded.due_at,
        after = CASE WHEN d.day = excluded.day THEN d.after ELSE excluded.after END,
        day = excluded.day
    WHERE d.version < excluded.version
    """
)
_DUE: Final = text(
    """
    SELECT * FROM birthday_days
    WHERE due_at <= :at AND merchant_id <> ALL(CAST(:but AS uuid[]))
    ORDER BY due_at LIMIT 1
    """
)
_PEOPLE: Final = text(
    """
    SELECT * FROM users
    WHERE merchant_id = :merchant_id AND birthday_days = ANY(CAST(:days AS smallint[]))
        AND user_id > :after AND gone_at IS NULL
    ORDER BY user_id LIMIT :most
    """
)
_GO_ON: Final = text(
    """
    UPDATE birthday_days SET day = :to_day, after = :to_after, due_at = :due_at
    WHERE merchant_id = :merchant_id AND day = :day AND after = :after AND due_at IS NOT NULL
    """
)
_UNPLACED: Final = """
    SELECT * FROM users
    WHERE sealed_birthday <> '' AND birthday_days IS NULL AND kind = 'customer'
"""
_AFTER: Final = " AND (merchant_id, user_id) > (:merchant_id, :user_id)"
_BY_KEY: Final = " ORDER BY merchant_id, user_id LIMIT :most"
_PLACE: Final = text(
    """
    UPDATE users u SET birthday_days = k.days
    FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, user_id uuid, sealed_birthday text, days smallint
    )
    WHERE u.merchant_id = k.merchant_id AND u.user_id = k.user_id
        AND u.sealed_birthday = k.sealed_birthday AND u.birthday_days IS NULL
    """
)
_NOBODY: Final = UUID(int=0)


class PostgresBirthdays:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn_calendars(self, calendars: Mapping[UUID, Calendar], at: datetime) -> None:
        if not calendars:
            return
        held = await self._connection.execute(_HOLD, {"merchants": sorted(calendars)})
        known = {row.merchant_id: row for row in held}
        rows = []
        for merchant_id in sorted(
            calendars
        ):  # in one order everywhere, so that no two batches deadlock
            calendar = calendars[merchant_id]
            before = known.get(merchant_id)
            day = day_of(at, calendar.time_zone)
            if before is not None and before.due_at is not None:
                day = before.day  # as far as it has come
            rows.append(
                {
                    "merchant_id": merchant_id,
                    "version": calendar.version,
                    "time_zone": calendar.time_zone,
                    "day": day,
                    "due_at": start_of(day, calendar.time_zone) if calendar.celebrates else None,
                }
            )
        await self._connection.execute(_LEARN, {"rows": as_rows(rows), "nobody": _NOBODY})

    async def due(self, at: datetime, but: Collection[UUID] = ()) -> ShopDay | None:
        row = (await self._connection.execute(_DUE, {"at": at, "but": [*but]})).one_or_none()
        if row is None:
            return None
        return ShopDay(row.merchant_id, row.time_zone, row.day, row.after)

    async def people(self, of: ShopDay, days: Iterable[int], limit: int) -> Sequence[Person]:
        rows = await self._connection.execute(
            _PEOPLE,
            {"merchant_id": of.merchant_id, "days": list(days), "after": of.after, "most": limit},
        )
        return [person_in(row) for row in rows]

    async def go_on(self, done: ShopDay, to: ShopDay) -> bool:
        moved = await self._connection.execute(
            _GO_ON,
            {
                "merchant_id": done.merchant_id,
                "day": done.day,
                "after": done.after,
                "to_day": to.day,
                "to_after": to.after,
                "due_at": start_of(to.day, to.time_zone),
            },
        )
        return moved.rowcount == 1

    async def unplaced(self, after: PersonKey | None, limit: int) -> Sequence[Person]:
        query = _UNPLACED
        values: dict[str, object] = {"most": limit}
        if after is not None:
            query += _AFTER
            values |= after._asdict()
        rows = await self._connection.execute(text(query + _BY_KEY), values)
        return [person_in(row) for row in rows]

    async def place(self, people: Iterable[Placed]) -> None:
        rows = [
            each.key._asdict() | {"sealed_birthday": each.sealed_birthday, "days": each.days}
            for each in people
        ]
        if rows:
            await self._connection.execute(_PLACE, {"rows": as_rows(rows)})
