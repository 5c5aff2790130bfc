"""``ports.pooling`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.merged import stands_for
from adapters.postgres.rows import as_rows
from adapters.postgres.wallets import PostgresWallets, follow, key_of, wallet_of
from domain.points.expiry import next_expiry
from domain.points.lot import Life
from domain.points.pooling import Linked
from domain.points.wallet import Wallet
from ports.ledger import WalletKey
from ports.pooling import Account, Link, sharing

# Whether or not they ever had a point.
_LAST: Final = f"""
    SELECT {stands_for("m")} AS customer_id FROM (
        SELECT k.customer_id, w.merged_into
        FROM (SELECT CAST(:customer_id AS uuid) AS customer_id) AS k
        LEFT JOIN wallets w ON w.merchant_id = :merchant_id AND w.customer_id = k.customer_id
    ) AS m
"""
"""Who stands for a member."""
_OWN: Final = f"""
    SELECT * FROM pooled_members
    WHERE merchant_id = :merchant_id AND pool_id IS NOT NULL AND customer_id = ({_LAST})
"""
# Of two of one organisation only, whatever a pool's id may be.
_POOL: Final = f"""
    SELECT p.merchant_id, p.customer_id, p.linked_at, own.customer_id AS own
    FROM ({_OWN}) AS own
    JOIN pooled_members p
        ON p.pool_id = own.pool_id AND p.organization_id = own.organization_id
    LEFT JOIN wallets w ON w.merchant_id = p.merchant_id AND w.customer_id = p.customer_id
    WHERE w.merged_into IS NULL
"""
_READ: Final = text(_POOL)
# Whoever is linked while this waits for the wallet shares from the next time on.
_HOLD_ALONE: Final = text(
    """
    SELECT w.*, EXISTS (
        SELECT FROM pooled_members p WHERE p.merchant_id = w.merchant_id
            AND p.customer_id = w.customer_id AND p.pool_id IS NOT NULL
    ) AS linked
    FROM wallets w WHERE w.merchant_id = :merchant_id AND w.customer_id = :customer_id
    FOR UPDATE OF w
    """
)
# In one order everywhere, so that nobody waits in a circle.
_HOLD: Final = text(f"{_POOL} ORDER BY p.merchant_id, p.customer_id FOR SHARE OF p")
# A row for each kind of points that will expire one day, and one where there are none. Two lookups
# for who is one person: of an OR PostgreSQL may make a look at all wallets of the shop.
_ACCOUNT: Final = text(
    f"""
    WITH last AS MATERIALIZED ({_LAST}), own AS MATERIALIZED (
        SELECT * FROM wallets
        WHERE merchant_id = :merchant_id AND customer_id = (SELECT * FROM last)
        UNION ALL
        SELECT * FROM wallets
        WHERE merchant_id = :merchant_id AND merged_into = (SELECT * FROM last)
    )
    SELECT w.*, l.*, EXISTS (
        SELECT FROM pooled_members
        WHERE merchant_id = :merchant_id AND customer_id = (SELECT * FROM last)
            AND pool_id IS NOT NULL
    ) AS linked, (
        SELECT settings ->> 'time_zone' FROM programs WHERE merchant_id = :merchant_id
    ) AS time_zone
    FROM (
        SELECT CAST(sum(spendable) AS bigint) AS spendable, CAST(sum(pending) AS bigint) AS pending,
            CAST(sum(spent) AS bigint) AS spent, CAST(sum(expired) AS bigint) AS expired
        FROM own WHERE version > 0
    ) AS w LEFT JOIN (
        SELECT l.expires_at, l.idle_days, s.since, CAST(sum(l.remaining) AS bigint) AS points
        FROM own JOIN lots l ON l.merchant_id = :merchant_id AND l.customer_id = own.customer_id,
        LATERAL (
            SELECT CASE WHEN l.idle_days = 0 THEN l.expires_at
                ELSE greatest(l.opened_at, own.active_at) END AS since
        ) AS s
        WHERE own.merged_into IS NULL AND (l.expires_at IS NOT NULL OR l.idle_days > 0)
        GROUP BY l.expires_at, l.idle_days, s.since
    ) AS l ON true
    """
)
_LEARN: Final = text(
    """
    INSERT INTO pooled_members AS p (
        merchant_id, customer_id, pool_id, organization_id, version, linked_at
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, customer_id uuid, pool_id uuid, organization_id uuid, version bigint,
        linked_at timestamptz
    )
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        pool_id = excluded.pool_id, organization_id = excluded.organization_id,
        version = excluded.version, linked_at = excluded.linked_at
    WHERE p.version < excluded.version
    """
)


class PostgresPools:
    """``ports.pooling.Pools``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def pool(self, member: WalletKey) -> Sequence[WalletKey]:
        rows = (await self._connection.execute(_READ, member._asdict())).all()
        own = member._replace(customer_id=rows[0].own) if rows else member
        return sharing(own, map(_linked, rows))


class PostgresPooling(PostgresPools, PostgresWallets):
    """``ports.pooling.Pooling``, on the wallets of the ledger."""

    _alone: Row | None = None
    """The wallet that ``lock_alone`` holds, as long as nothing was posted to it."""

    async def lock_alone(self, member: WalletKey) -> Mapping[WalletKey, Wallet] | None:
        found = (await self._connection.execute(_HOLD_ALONE, member._asdict())).one_or_none()
        if found is not None and found.merged_into is None:
            if found.linked:
                return None
            self._alone = found
            return {member: wallet_of(found)}
        if (await self._connection.execute(_READ, member._asdict())).all():
            return None
        own = follow(member, await self._hold_all({member}))
        return {key_of(own): wallet_of(own)}

    async def _hold_all(self, keys: Iterable[WalletKey]) -> dict[WalletKey, Row]:
        wanted, alone = set(keys), self._alone
        if alone is not None and wanted == {key_of(alone)}:
            return {key_of(alone): alone}
        return await super()._hold_all(wanted)

    async def lock_pool(self, member: WalletKey) -> Mapping[WalletKey, Wallet]:
        rows = await self._connection.execute(_HOLD, member._asdict())
        linked = {key_of(row): _linked(row) for row in rows}
        held = await self._hold_all({member, *linked})
        # Somebody may have been merged into another just before their wallet could be held.
        still = [linked[key] for key in linked if held[key].merged_into is None]
        own = key_of(follow(member, held))
        return {key: wallet_of(held[key]) for key in sharing(own, still) or [own]}

    async def account(self, member: WalletKey) -> Account:
        rows = (await self._connection.execute(_ACCOUNT, member._asdict())).all()
        own = rows[0]
        ageing = [
            (row.points, Life(row.expires_at, row.idle_days), row.since)
            for row in rows
            if row.points is not None
        ]
        return Account(
            None if own.spendable is None else wallet_of(own),
            next_expiry(ageing, own.time_zone or "UTC"),
            own.linked,
        )

    async def learn_links(self, told: Mapping[WalletKey, Link]) -> None:
        rows = [
            key._asdict()
            | {
                "pool_id": told[key].pool_id,
                "organization_id": told[key].organization_id,
                "version": told[key].version,
                "linked_at": told[key].at,
            }
            for key in sorted(told)  # in one order everywhere
        ]
        if rows:
            await self._connection.execute(_LEARN, {"rows": as_rows(rows)})


def _linked(row: Row) -> Linked:
    return Linked(row.merchant_id, row.customer_id, row.linked_at)
