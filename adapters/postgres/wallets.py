"""Wallets on PostgreSQL: held, shown, and given to whoever stands for a merged member."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Row, text
from adapters.postgres.lots import PostgresLots, named
from adapters.postgres.merged import stands_for
from adapters.postgres.rows import as_rows
from domain.merging import StandIn, ToldMerge, learn_merges
from domain.points.wallet import Wallet
from ports.ledger import Leftover, WalletKey

_NEW_WALLETS: Final = text(
    """
    INSERT INTO wallets (merchant_id, customer_id, spendable, pending, spent, expired, version)
    SELECT merchant_id, customer_id, 0, 0, 0, 0, 0
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    ON CONFLICT DO NOTHING
    """
)
_LOCK_WALLETS: Final = text(
    """
    SELECT w.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN wallets w USING (merchant_id, customer_id)
    ORDER BY w.merchant_id, w.customer_id
    FOR UPDATE OF w
    """
)
_WALLETS: Final = text(
    f"""
    SELECT a.customer_id AS asked,
        CAST(sum(w.spendable) AS bigint) AS spendable, CAST(sum(w.pending) AS bigint) AS pending,
        CAST(sum(w.spent) AS bigint) AS spent, CAST(sum(w.expired) AS bigint) AS expired
    FROM wallets a
    JOIN wallets w ON w.merchant_id = a.merchant_id
        AND (w.customer_id = {stands_for("a")} OR w.merged_into = {stands_for("a")})
    WHERE a.merchant_id = :merchant_id AND a.customer_id = ANY(CAST(:customers AS uuid[]))
        AND w.version > 0
    GROUP BY a.customer_id
    """
)
_HOLD_MERGES: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_HOLD_MERGED: Final = text(
    """
    SELECT * FROM wallets
    WHERE merchant_id = :merchant_id
        AND (customer_id = ANY(CAST(:named AS uuid[])) OR merged_into = ANY(CAST(:named AS uuid[])))
    ORDER BY customer_id FOR UPDATE
    """
)
_STAND_IN: Final = text(
    """
    UPDATE wallets w SET merged_into = r.merged_into, merge_version = r.merge_version
    FROM json_to_recordset(CAST(:rows AS json))
        AS r (customer_id uuid, merged_into uuid, merge_version bigint)
    WHERE w.merchant_id = :merchant_id AND w.customer_id = r.customer_id
    """
)
# Whoever stands for others was active when the last of them was.
_BE_ACTIVE: Final = text(
    """
    UPDATE wallets w SET active_at = greatest(w.active_at, r.active_at)
    FROM (
        SELECT customer_id, max(active_at) AS active_at FROM json_to_recordset(CAST(:rows AS json))
            AS r (customer_id uuid, active_at timestamptz)
        GROUP BY customer_id
    ) AS r
    WHERE w.merchant_id = :merchant_id AND w.customer_id = r.customer_id
    """
)


class PostgresWallets(PostgresLots):
    async def lock_wallets(self, keys: Iterable[WalletKey]) -> Mapping[WalletKey, Wallet]:
        asked = set(keys)
        held = await self._hold_all(asked)
        return {key: wallet_of(follow(key, held)) for key in asked}

    async def _hold_all(self, keys: Iterable[WalletKey]) -> dict[WalletKey, Row]:
        """The rows of these wallets, and of those that members have instead, held."""
        held = await self._hold(keys)
        merged = [row for row in held.values() if row.merged_into is not None]
        while missing := {_last(row) for row in merged} - held.keys():
            more = await self._hold(missing)
            merged = [row for row in more.values() if row.merged_into is not None]
            held |= more
        return held

    async def _hold(self, keys: Iterable[WalletKey]) -> dict[WalletKey, Row]:
        names = named(keys)
        await self._connection.execute(_NEW_WALLETS, names)
        rows = await self._connection.execute(_LOCK_WALLETS, names)
        return {WalletKey(row.merchant_id, row.customer_id): row for row in rows}

    async def merge(self, merchant_id: UUID, told: Sequence[ToldMerge]) -> Sequence[Leftover]:
        await self._connection.execute(_HOLD_MERGES, {"name": f"merges/{merchant_id}"})
        named = sorted({each for merge in told for each in (merge.merged_id, merge.kept_id)})
        shop = {"merchant_id": merchant_id}
        await self._connection.execute(
            _NEW_WALLETS, {"merchants": [merchant_id] * len(named), "customers": named}
        )
        rows = await self._connection.execute(_HOLD_MERGED, shop | {"named": named})
        wallets = {row.customer_id: row for row in rows}
        changed = learn_merges(
            {
                customer_id: StandIn(row.merged_into, row.merge_version)
                for customer_id, row in wallets.items()
                if row.merge_version > 0
            },
            told,
        )
        stand_ins = as_rows(
            {
                "customer_id": customer_id,
                "merged_into": stand_in.kept_id,
                "merge_version": stand_in.version,
            }
            for customer_id, stand_in in changed.items()
        )
        await self._connection.execute(_STAND_IN, shop | {"rows": stand_ins})
        active = as_rows(
            {"customer_id": stand_in.kept_id, "active_at": wallets[customer_id].active_at}
            for customer_id, stand_in in changed.items()
            if stand_in.kept_id is not None
        )
        await self._connection.execute(_BE_ACTIVE, shop | {"rows": active})
        lots = await self._open_lots(
            WalletKey(merchant_id, customer_id)
            for customer_id, stand_in in changed.items()
            if stand_in.kept_id is not None
        )
        return [
            Leftover(
                WalletKey(merchant_id, customer_id),
                WalletKey(merchant_id, stand_in.kept_id),
                wallet_of(row),
                row.version,
                lots[WalletKey(merchant_id, customer_id)],
            )
            for customer_id, stand_in in changed.items()
            if stand_in.kept_id is not None
            and ((row := wallets[customer_id]).spendable or row.pending)
        ]

    async def wallet(self, key: WalletKey) -> Wallet | None:
        return (await self.wallets(key.merchant_id, [key.customer_id])).get(key.customer_id)

    async def wallets(self, merchant_id: UUID, customers: Sequence[UUID]) -> Mapping[UUID, Wallet]:
        rows = await self._connection.execute(
            _WALLETS, {"merchant_id": merchant_id, "customers": list(customers)}
        )
        return {row.asked: wallet_of(row) for row in rows}


def key_of(row: Row) -> WalletKey:
    return WalletKey(row.merchant_id, row.customer_id)


def _last(row: Row) -> WalletKey:
    """The wallet of who stands for the member of a wallet."""
    return WalletKey(row.merchant_id, row.merged_into or row.customer_id)


def follow(key: WalletKey, held: Mapping[WalletKey, Row]) -> Row:
    row = held[key]
    while (last := _last(row)) != key:
        key, row = last, held[last]
    return row


def wallet_of(row: Row) -> Wallet:
    return Wallet(row.spendable, row.pending, row.spent, row.expired)
