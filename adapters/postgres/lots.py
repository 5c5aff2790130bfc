"""Lots on PostgreSQL: what is left of each, and which wallets must be looked at when."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.merged import stands_for
from adapters.postgres.rows import as_rows
from domain.points.lot import FOREVER, Life, Lot, Share
from domain.points.lots import named_lots
from domain.points.wallet import Wallet
from ports.ledger import Ageing, AgeingWallet, NewEntry, WalletKey

_SPENDING_ORDER: Final = "l.expires_at NULLS LAST, l.opened_at, l.lot_id"

# Of a wallet with very many lots only those that will have to pay come over.
_NEEDED: Final = text(
    f"""
    SELECT l.* FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, customer_id uuid, points bigint, lot_ids jsonb, orders jsonb
    ), LATERAL (
        SELECT l.*, sum(l.remaining) OVER (ORDER BY {_SPENDING_ORDER}) - l.remaining AS before
        FROM lots l WHERE l.merchant_id = r.merchant_id AND l.customer_id = r.customer_id
    ) AS l
    WHERE l.before < r.points OR jsonb_exists(r.lot_ids, CAST(l.lot_id AS text))
        OR jsonb_exists(r.orders, l.order_id)
    """
)
_OPEN: Final = text(
    f"""
    SELECT l.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN lots l USING (merchant_id, customer_id)
    ORDER BY {_SPENDING_ORDER}
    """
)
_COLUMNS: Final = (
    "merchant_id, customer_id, lot_id, points, remaining, opened_at, expires_at, idle_days,"
    " order_id"
)
_ADD: Final = f"""
    INSERT INTO lots ({_COLUMNS})
    SELECT {_COLUMNS} FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, customer_id uuid, lot_id uuid, points bigint, remaining bigint,
        opened_at timestamptz, expires_at timestamptz, idle_days integer, order_id text
    )
"""
# A lot that was just opened cannot be there, and is not looked for: a fifth less.
_OPEN_NEW: Final = text(_ADD)
_KEEP: Final = text(
    f"""
    {_ADD}
    ON CONFLICT (merchant_id, customer_id, lot_id) DO UPDATE SET remaining = excluded.remaining
    """
)
_CLOSE: Final = text(
    """
    DELETE FROM lots l USING json_to_recordset(CAST(:rows AS json))
        AS r (merchant_id uuid, customer_id uuid, lot_id uuid)
    WHERE l.merchant_id = r.merchant_id AND l.customer_id = r.customer_id AND l.lot_id = r.lot_id
    """
)
_LOOK: Final = text(
    """
    INSERT INTO expiring AS e (merchant_id, customer_id, due_at, looked_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS r (merchant_id uuid, customer_id uuid, due_at timestamptz, looked_at timestamptz)
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET due_at = excluded.due_at
    WHERE excluded.due_at < e.due_at
    """
)
_PAGE: Final = text(
    f"""
    SELECT l.* FROM wallets w
    JOIN lots l ON l.merchant_id = w.merchant_id AND l.customer_id = {stands_for("w")}
    WHERE w.merchant_id = :merchant_id AND w.customer_id = :customer_id AND (
        CAST(:opened_at AS timestamptz) IS NULL OR (
            l.expires_at IS NULL, coalesce(l.expires_at, l.opened_at), l.opened_at, l.lot_id
        ) > (
            CAST(:expires_at AS timestamptz) IS NULL,
            coalesce(CAST(:expires_at AS timestamptz), CAST(:opened_at AS timestamptz)),
            CAST(:opened_at AS timestamptz), CAST(:lot_id AS uuid)
        )
    )
    ORDER BY {_SPENDING_ORDER} LIMIT :most
    """
)
_AGEING: Final = text(
    f"""
    SELECT a.customer_id, l.expires_at, l.idle_days, s.since, sum(l.remaining) AS points
    FROM wallets a
    JOIN wallets w ON w.merchant_id = a.merchant_id AND w.customer_id = {stands_for("a")}
    JOIN lots l ON l.merchant_id = w.merchant_id AND l.customer_id = w.customer_id,
    LATERAL (
        SELECT CASE WHEN l.idle_days = 0 THEN l.expires_at ELSE greatest(l.opened_at, w.active_at)
        END AS since
    ) AS s
    WHERE a.merchant_id = :merchant_id AND a.customer_id = ANY(CAST(:customers AS uuid[]))
        AND (l.expires_at IS NOT NULL OR l.idle_days > 0)
    GROUP BY a.customer_id, l.expires_at, l.idle_days, s.since
    """
)
_HOLD_DUE: Final = text(
    """
    SELECT w.merchant_id, w.customer_id FROM expiring e
    JOIN wallets w USING (merchant_id, customer_id)
    WHERE e.due_at <= :at ORDER BY e.due_at LIMIT :most
    FOR UPDATE OF w SKIP LOCKED
    """
)
# A statement of its own: somebody may have looked just before the wallet could be held.
_DUE: Final = text(
    """
    SELECT w.*, e.looked_at
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN wallets w USING (merchant_id, customer_id)
    JOIN expiring e USING (merchant_id, customer_id)
    WHERE e.due_at <= :at
    """
)
_LOOK_AGAIN: Final = text(
    """
    UPDATE expiring e SET due_at = r.due_at, looked_at = :at
    FROM json_to_recordset(CAST(:rows AS json))
        AS r (merchant_id uuid, customer_id uuid, due_at timestamptz)
    WHERE e.merchant_id = r.merchant_id AND e.customer_id = r.customer_id
    """
)
_LOOK_NO_MORE: Final = text(
    """
    DELETE FROM expiring e USING json_to_recordset(CAST(:rows AS json))
        AS r (merchant_id uuid, customer_id uuid)
    WHERE e.merchant_id = r.merchant_id AND e.customer_id = r.customer_id
    """
)


class PostgresLots:
    """The lots of a wallet are touched by nobody but who holds the wallet."""

    _connection: Connection

    async def lots(self, key: WalletKey, after: Share | None, limit: int) -> Sequence[Share]:
        last = None if after is None else after.lot
        rows = await self._connection.execute(
            _PAGE,
            {
                "merchant_id": key.merchant_id,
                "customer_id": key.customer_id,
                "expires_at": None if last is None else last.life.expires_at,
                "opened_at": None if last is None else last.opened_at,
                "lot_id": None if last is None else last.lot_id,
                "most": limit,
            },
        )
        return [_share(row) for row in rows]

    async def ageing(
        self, merchant_id: UUID, customers: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[Ageing]]:
        found: dict[UUID, list[Ageing]] = defaultdict(list)
        for row in await self._connection.execute(
            _AGEING, {"merchant_id": merchant_id, "customers": list(customers)}
        ):
            life = Life(row.expires_at, row.idle_days)
            found[row.customer_id].append(Ageing(int(row.points), life, row.since))
        return found

    async def take_ageing(self, at: datetime, limit: int) -> Sequence[AgeingWallet]:
        held = await self._connection.execute(_HOLD_DUE, {"at": at, "most": limit})
        keys = named(WalletKey(row.merchant_id, row.customer_id) for row in held)
        if not keys["merchants"]:
            return ()
        rows = (await self._connection.execute(_DUE, keys | {"at": at})).all()
        lots = await self._open_lots(WalletKey(row.merchant_id, row.customer_id) for row in rows)
        return [
            AgeingWallet(
                key,
                Wallet(row.spendable, row.pending, row.spent, row.expired),
                row.version,
                lots[key],
                row.active_at,
                row.looked_at,
            )
            for row in rows
            for key in [WalletKey(row.merchant_id, row.customer_id)]
        ]

    async def look_again(self, at: datetime, looks: Mapping[WalletKey, datetime | None]) -> None:
        again = [key._asdict() | {"due_at": due_at} for key, due_at in looks.items() if due_at]
        no_more = [key._asdict() for key, due_at in looks.items() if not due_at]
        if again:
            await self._connection.execute(_LOOK_AGAIN, {"at": at, "rows": as_rows(again)})
        if no_more:
            await self._connection.execute(_LOOK_NO_MORE, {"rows": as_rows(no_more)})

    async def _open_lots(self, keys: Iterable[WalletKey]) -> Mapping[WalletKey, tuple[Share, ...]]:
        """All open lots of these wallets, which must be held."""
        found: dict[WalletKey, tuple[Share, ...]] = defaultdict(tuple)
        collected: dict[WalletKey, list[Share]] = defaultdict(list)
        for row in await self._connection.execute(_OPEN, named(keys)):
            collected[WalletKey(row.merchant_id, row.customer_id)].append(_share(row))
        found.update((key, tuple(shares)) for key, shares in collected.items())
        return found

    async def _needed_lots(
        self, entries: Mapping[WalletKey, Sequence[NewEntry]]
    ) -> Mapping[WalletKey, Sequence[Share]]:
        """What of the open lots these entries may use, of wallets that must be held."""
        rows = [
            key._asdict()
            | {
                "points": -sum(
                    draft.points for draft in drafts if draft.points < 0 and not draft.pending
                ),
                "lot_ids": sorted({each for draft in drafts for each in named_lots(draft)}),
                "orders": sorted({draft.order_id for draft in drafts if draft.order_id}),
            }
            for key, found in entries.items()
            for drafts in [[entry.draft for entry in found]]
        ]
        shares: dict[WalletKey, list[Share]] = defaultdict(list)
        for row in await self._connection.execute(_NEEDED, {"rows": as_rows(rows)}):
            shares[WalletKey(row.merchant_id, row.customer_id)].append(_share(row))
        return shares

    async def _keep_lots(
        self, changed: Mapping[WalletKey, Iterable[Share]], appended: Container[UUID]
    ) -> None:
        """Store what is left of lots; 0 closes one. A lot is named by the entry that opened it, so
        those of ``appended`` entries are new."""
        opened: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        closed: list[dict[str, Any]] = []
        for key, shares in changed.items():
            for lot, remaining in shares:
                row: dict[str, Any] = {
                    "merchant_id": key.merchant_id,
                    "customer_id": key.customer_id,
                    "lot_id": lot.lot_id,
                }
                if not remaining:
                    closed.append(row)
                    continue
                row |= {
                    "points": lot.points,
                    "remaining": remaining,
                    "opened_at": lot.opened_at,
                    "expires_at": lot.life.expires_at,
                    "idle_days": lot.life.idle_days,
                    "order_id": lot.order_id,
                }
                (opened if lot.lot_id in appended else kept).append(row)
        for statement, rows in ((_OPEN_NEW, opened), (_KEEP, kept), (_CLOSE, closed)):
            if rows:
                await self._connection.execute(statement, {"rows": as_rows(rows)})

    async def _look_for(self, posted: Mapping[WalletKey, Sequence[NewEntry]]) -> None:
        """See to it that wallets are looked at in time for what these entries opened or gave back.
        What came back may be due at once."""
        rows = []
        ageing = [key for key, entries in posted.items() if any(map(_may_age, entries))]
        for key in in_order(ageing):
            looks = [
                look_at
                for entry in posted[key]
                for look_at in (entry.look_at, entry.at if _gave_back_ageing(entry) else None)
                if look_at is not None
            ]
            if looks:
                looked_at = min(entry.at for entry in posted[key])
                rows.append(key._asdict() | {"due_at": min(looks), "looked_at": looked_at})
        if rows:
            await self._connection.execute(_LOOK, {"rows": as_rows(rows)})


def _may_age(entry: NewEntry) -> bool:
    return entry.look_at is not None or bool(entry.draft.uses)


def _gave_back_ageing(entry: NewEntry) -> bool:
    draft = entry.draft
    return draft.points > 0 and any(share.lot.life != FOREVER for share in draft.uses)


def in_order(keys: Iterable[WalletKey]) -> list[WalletKey]:
    """In the one order in which wallets are locked everywhere, so that no two batches deadlock. As
    ``sorted``, but ids compare as the numbers they are in a quarter of the time."""
    return sorted(keys, key=lambda key: (key.merchant_id.int, key.customer_id.int))


def named(keys: Iterable[WalletKey]) -> dict[str, list[UUID]]:
    """Wallets as the parameters by which statements find them, ``in_order``."""
    ordered = in_order(keys)
    return {
        "merchants": [key.merchant_id for key in ordered],
        "customers": [key.customer_id for key in ordered],
    }


def _share(row: Row) -> Share:
    life = Life(row.expires_at, row.idle_days)
    return Share(Lot(row.lot_id, row.points, row.opened_at, life, row.order_id), row.remaining)
