"""``ports.names.Names`` on PostgreSQL."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, text
from adapters.postgres.people import person_in
from adapters.postgres.rows import as_rows
from ports.names import Found, Named, Namesakes, Rank, Sought
from ports.people import Person, PersonKey

# Whoever has the least number of numbers has one of any that are left when all but one of these are
# taken away: the index is asked for those that tell most.
_SEARCH: Final = """
    SELECT * FROM (
        SELECT u.*, (
            SELECT count(*) FROM unnest(u.name_index) AS n
            WHERE n = ANY(CAST(:numbers AS integer[]))
        ) AS shared
        FROM users_searched u
        WHERE merchant_id = :merchant_id AND kind = :kind AND gone_at IS NULL
            AND name_index && CAST(:telling AS integer[])
    ) AS found
    WHERE shared >= :least
"""
_AFTER_RANK: Final = " AND (shared, user_id) < (:shared, :user_id)"
_BEST_FIRST: Final = " ORDER BY shared DESC, user_id DESC LIMIT :most"
_NAMESAKES: Final = text(
    """
    WITH shared AS (
        SELECT email_index, count(*) AS people FROM users
        WHERE merchant_id = :merchant_id AND kind = 'customer'
            AND email_index > :after AND email_index <> ''
        GROUP BY email_index HAVING count(*) > 1
        ORDER BY email_index LIMIT :most
    )
    SELECT shared.people, u.* FROM shared, LATERAL (
        SELECT * FROM users
        WHERE merchant_id = :merchant_id AND kind = 'customer'
            AND email_index = shared.email_index AND email_index <> ''
        ORDER BY created_at DESC, user_id DESC LIMIT :newest
    ) AS u
    ORDER BY u.email_index, u.created_at DESC, u.user_id DESC
    """
)
_NOT_NAMED: Final = "SELECT * FROM users WHERE name_index IS NULL"
_AFTER_KEY: Final = " AND (merchant_id, user_id) > (:merchant_id, :user_id)"
_BY_KEY: Final = " ORDER BY merchant_id, user_id LIMIT :most"
_NAME: Final = text(
    """
    WITH held AS MATERIALIZED (
        SELECT u.merchant_id, u.user_id, k.name_index
        FROM json_to_recordset(CAST(:rows AS json)) AS k (
            merchant_id uuid, user_id uuid, sealed_contact text, name_index integer[]
        )
        JOIN users u USING (merchant_id, user_id, sealed_contact)
        WHERE u.name_index IS NULL
        ORDER BY u.merchant_id, u.user_id
        FOR UPDATE OF u
    )
    UPDATE users u SET name_index = held.name_index FROM held
    WHERE u.merchant_id = held.merchant_id AND u.user_id = held.user_id
    """
)


class PostgresNames:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def search(
        self, merchant_id: UUID, kind: str, sought: Sought, after: Rank | None, limit: int
    ) -> Sequence[Found]:
        numbers = list(sought.numbers)
        query = _SEARCH
        values: dict[str, object] = {
            "merchant_id": merchant_id,
            "kind": kind,
            "numbers": numbers,
            "telling": numbers[: len(numbers) - sought.least + 1],
            "least": sought.least,
            "most": limit,
        }
        if after is not None:
            query += _AFTER_RANK
            values |= after._asdict()
        rows = await self._connection.execute(text(query + _BEST_FIRST), values)
        return [Found(person_in(row), row.shared) for row in rows]

    async def namesakes(
        self, merchant_id: UUID, after: str, limit: int, newest: int
    ) -> Sequence[Namesakes]:
        rows = await self._connection.execute(
            _NAMESAKES,
            {"merchant_id": merchant_id, "after": after, "most": limit, "newest": newest},
        )
        counts: dict[str, int] = {}
        people: dict[str, list[Person]] = defaultdict(list)
        for row in rows:
            counts[row.email_index] = row.people
            people[row.email_index].append(person_in(row))
        return [Namesakes(index, count, people[index]) for index, count in counts.items()]

    async def unnamed(self, after: PersonKey | None, limit: int) -> Sequence[Person]:
        query = _NOT_NAMED
        values: dict[str, object] = {"most": limit}
        if after is not None:
            query += _AFTER_KEY
            values |= after._asdict()
        rows = await self._connection.execute(text(query + _BY_KEY), values)
        return [person_in(row) for row in rows]

    async def name(self, people: Iterable[Named]) -> None:
        rows = as_rows(
            each.key._asdict()
            | {"sealed_contact": each.sealed_contact, "name_index": list(each.name_index)}
            for each in people
        )
        await self._connection.execute(_NAME, {"rows": rows})
