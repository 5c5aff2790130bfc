"""``ports.links.Links`` on PostgreSQL."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Statement, text
from adapters.postgres.people import person_in
from adapters.postgres.rows import as_rows
from domain.linking import Link, linked, steps
from ports.links import Candidate, Claim, Membership, Moved
from ports.people import PersonKey

# In one order everywhere, so that no two batches wait for each other in a circle.
_LEARN: Final = text(
    """
    INSERT INTO organization_shops AS o (merchant_id, version, organization_id)
    SELECT merchant_id, version, organization_id
    FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, version integer, organization_id uuid
    )
    ORDER BY merchant_id
    ON CONFLICT (merchant_id) DO UPDATE SET
        version = excluded.version, organization_id = excluded.organization_id
    WHERE o.version < excluded.version
    """
)
_UNSETTLED: Final = text(
    """
    SELECT o.merchant_id, o.version, o.organization_id FROM organization_shops o
    WHERE o.merchant_id > :after AND EXISTS (
        SELECT FROM users u
        WHERE u.merchant_id = o.merchant_id AND u.kind = 'customer' AND u.link_as_of < o.version
    )
    ORDER BY o.merchant_id LIMIT :most
    """
)
# xmin is another after every change of the row, whatever it was.
_CANDIDATES: Final = text(
    """
    SELECT u.*, CAST(u.xmin AS text) AS state, u.gone_at IS NULL AND NOT EXISTS (
        SELECT FROM unlinkable n WHERE n.merchant_id = u.merchant_id AND n.user_id = u.user_id
    ) AS may_link
    FROM users u
    WHERE u.merchant_id = :merchant_id AND u.kind = 'customer' AND u.link_as_of < :version
    ORDER BY u.link_as_of, u.user_id LIMIT :most
    """
)
_HOLD_SHOP: Final = text(
    """
    SELECT version FROM organization_shops
    WHERE merchant_id = :merchant_id AND version = :version
    FOR UPDATE
    """
)
# All at once, in the order in which everybody locks people.
_HOLD: Final = text(
    """
    SELECT user_id, pool_id, linked_pool_id, link_version, CAST(xmin AS text) AS state FROM users
    WHERE merchant_id = :merchant_id AND (
        user_id = ANY(CAST(:ids AS uuid[]))
        OR pool_id = ANY(CAST(:pools AS uuid[]))
        OR linked_pool_id = ANY(CAST(:pools AS uuid[]))
    )
    ORDER BY user_id FOR UPDATE
    """
)
_CLAIM: Final = text(
    """
    UPDATE users u SET pool_id = k.pool_id, link_as_of = :version
    FROM json_to_recordset(CAST(:rows AS json)) AS k (user_id uuid, pool_id uuid)
    WHERE u.merchant_id = :merchant_id AND u.user_id = k.user_id
    """
)
_LINK: Final = text(
    """
    UPDATE users u SET linked_pool_id = k.pool_id, link_version = k.version
    FROM json_to_recordset(CAST(:rows AS json)) AS k (user_id uuid, pool_id uuid, version integer)
    WHERE u.merchant_id = :merchant_id AND u.user_id = k.user_id
    """
)
_NEVER_LINK: Final = text(
    """
    WITH never AS (
        INSERT INTO unlinkable (merchant_id, user_id)
        SELECT merchant_id, user_id
        FROM json_to_recordset(CAST(:rows AS json)) AS k (merchant_id uuid, user_id uuid)
        ORDER BY merchant_id, user_id
        ON CONFLICT DO NOTHING
        RETURNING merchant_id, user_id
    ), held AS MATERIALIZED (
        SELECT u.merchant_id, u.user_id FROM users u JOIN never USING (merchant_id, user_id)
        ORDER BY u.merchant_id, u.user_id FOR UPDATE OF u
    )
    UPDATE users u SET link_as_of = 0
    FROM held WHERE u.merchant_id = held.merchant_id AND u.user_id = held.user_id
    """
)


class PostgresLinks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn(self, memberships: Iterable[Membership]) -> None:
        rows = [each._asdict() for each in memberships]
        if rows:
            await self._connection.execute(_LEARN, {"rows": as_rows(rows)})

    async def unsettled(self, after: UUID, limit: int) -> Sequence[Membership]:
        rows = await self._connection.execute(_UNSETTLED, {"after": after, "most": limit})
        return [Membership(row.merchant_id, row.version, row.organization_id) for row in rows]

    async def candidates(self, shop: Membership, limit: int) -> Sequence[Candidate]:
        rows = await self._connection.execute(
            _CANDIDATES,
            {"merchant_id": shop.merchant_id, "version": shop.version, "most": limit},
        )
        return [
            Candidate(
                person=person_in(row),
                may_link=row.may_link,
                state=row.state,
                pools=frozenset(filter(None, (row.pool_id, row.linked_pool_id))),
            )
            for row in rows
        ]

    async def settle(self, shop: Membership, claims: Sequence[Claim]) -> Sequence[Moved] | None:
        which: dict[str, object] = {"merchant_id": shop.merchant_id, "version": shop.version}
        if (await self._connection.execute(_HOLD_SHOP, which)).one_or_none() is None:
            return None
        claimed = {each.candidate.person.key.user_id: each for each in claims}
        pools = {each.pool_id for each in claims if each.pool_id is not None}
        pools.update(*(each.candidate.pools for each in claims))
        rows = (
            await self._connection.execute(
                _HOLD, which | {"ids": list(claimed), "pools": list(pools)}
            )
        ).all()
        unchanged = {
            row.user_id: claimed[row.user_id].pool_id
            for row in rows
            if row.user_id in claimed and claimed[row.user_id].candidate.state == row.state
        }
        await self._write(
            _CLAIM, which, [{"user_id": key, "pool_id": pool} for key, pool in unchanged.items()]
        )
        belongs = {row.user_id: row.pool_id for row in rows} | unchanged
        links = {
            row.user_id: Link(row.linked_pool_id, row.link_version)
            for row in rows
            # Of another pool, which somebody has come to meanwhile, not all are held.
            if {belongs[row.user_id], row.linked_pool_id} <= pools | {None}
        }
        now = linked({key: belongs[key] for key in links})
        moved = [Moved(key, step) for key in links for step in steps(links[key], now[key])]
        last = {each.user_id: each.step.version for each in moved}
        await self._write(
            _LINK,
            which,
            [
                {"user_id": key, "pool_id": now[key], "version": version}
                for key, version in last.items()
            ],
        )
        return moved

    async def never_link(self, people: Collection[PersonKey]) -> None:
        if people:
            rows = as_rows(key._asdict() for key in people)
            await self._connection.execute(_NEVER_LINK, {"rows": rows})

    async def _write(
        self, statement: Statement, which: dict[str, object], rows: list[dict[str, object]]
    ) -> None:
        if rows:
            await self._connection.execute(statement, which | {"rows": as_rows(rows)})
