"""``ports.ledger.Ledger`` on PostgreSQL: set-based, so a batch costs little more than an event."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text

from adapters.postgres.earning import PostgresEarningFacts
from adapters.postgres.merged import stands_for
from adapters.postgres.order_rows import facts_of, plain, row_of
from adapters.postgres.programs import PostgresPrograms
from adapters.postgres.rows import as_rows
from domain.errors import Unavailable
from domain.merging import StandIn, ToldMerge, learn_merges
from domain.points.earning import RuleSnapshot
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.wallet import EMPTY, Wallet, apply
from ports.ledger import (
    HistoryEntry,
    Leftover,
    NewEntry,
    OrderKey,
    OrderState,
    PostedEntry,
    WalletKey,
)

_KEYS: Final = "unnest(CAST(:merchants AS uuid[]), CAST(:ids AS text[])) AS k (merchant_id, id)"

# Orders may not exist yet (a refund can come first), so there is no row to lock: an advisory lock
# by the order's name takes its place. Sorted, so that two batches never wait in a circle.
_LOCK: Final = text(
    """
    SELECT pg_advisory_xact_lock(lock) FROM (
        SELECT DISTINCT hashtextextended(merchant || '/' || id, 0) AS lock
        FROM unnest(CAST(:merchants AS text[]), CAST(:ids AS text[])) AS k (merchant, id)
        ORDER BY lock
    ) AS locks
    """
)
_ORDERS: Final = text(
    f"SELECT o.* FROM {_KEYS} JOIN orders o ON o.merchant_id = k.merchant_id AND o.order_id = k.id"
)
_REFUNDS: Final = text(
    f"SELECT r.* FROM {_KEYS} JOIN refunds r ON r.merchant_id = k.merchant_id AND r.order_id = k.id"
)
_ENTRY_COLUMNS: Final = (
    "t.entry_id, t.kind, t.points, t.pending, t.reason, t.source, t.source_ref, t.rule, t.line,"
    " t.order_id, t.waived, t.reverses, t.snapshot, t.at"
)
_ENTRIES: Final = text(
    f"""
    SELECT t.merchant_id, t.customer_id, {_ENTRY_COLUMNS}
    FROM {_KEYS}
    JOIN points_transactions t ON t.merchant_id = k.merchant_id AND t.order_id = k.id
        AND t.order_id <> ''
    ORDER BY t.entry_id
    """
)
_LEARN_ORDERS: Final = text(
    """
    INSERT INTO orders (
        merchant_id, order_id, customer_id, currency, financial_status, created_at, updated_at,
        merchandise, shipping, tax, test, paid_at, cancelled_at, fulfilled_at, lines
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, order_id text, customer_id uuid, currency text, financial_status text,
        created_at timestamptz, updated_at timestamptz, merchandise numeric, shipping numeric,
        tax numeric, test boolean, paid_at timestamptz, cancelled_at timestamptz,
        fulfilled_at timestamptz, lines jsonb
    )
    ON CONFLICT (merchant_id, order_id) DO UPDATE SET
        customer_id = excluded.customer_id, currency = excluded.currency,
        financial_status = excluded.financial_status, created_at = excluded.created_at,
        updated_at = excluded.updated_at, merchandise = excluded.merchandise,
        shipping = excluded.shipping, tax = excluded.tax, test = excluded.test,
        paid_at = excluded.paid_at, cancelled_at = excluded.cancelled_at,
        fulfilled_at = excluded.fulfilled_at, lines = excluded.lines
    """
)
_LEARN_REFUNDS: Final = text(
    """
    INSERT INTO refunds (merchant_id, order_id, refund_id, merchandise, created_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, order_id text, refund_id text, merchandise numeric,
        created_at timestamptz
    )
    ON CONFLICT DO NOTHING
    """
)
# What is for a merged member goes to who stands for them, but for what moves the points there.
_APPEND: Final = text(
    f"""
    INSERT INTO points_transactions (
        merchant_id, customer_id, entry_id, kind, points, pending, reason, source, source_ref,
        rule, line, order_id, waived, reverses, snapshot, at
    )
    SELECT r.merchant_id, coalesce(w.merged_into, r.customer_id), entry_id, kind, points,
        r.pending, reason, source, source_ref, rule, line, order_id, waived, reverses, snapshot, at
    FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, customer_id uuid, entry_id uuid, kind text, points bigint,
        pending boolean, reason text, source text, source_ref text, rule text, line text,
        order_id text, waived bigint, reverses text, snapshot jsonb, at timestamptz
    )
    LEFT JOIN wallets w ON w.merchant_id = r.merchant_id AND w.customer_id = r.customer_id
        AND r.source <> '{Source.MERGE}'
    ON CONFLICT (merchant_id, source_ref, source, rule, line) DO NOTHING
    RETURNING entry_id, customer_id
    """
)
_MOVE: Final = text(
    """
    INSERT INTO wallets AS w (
        merchant_id, customer_id, spendable, pending, spent, expired, version
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, customer_id uuid, spendable bigint, pending bigint, spent bigint,
        expired bigint, version bigint
    )
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        spendable = w.spendable + excluded.spendable, pending = w.pending + excluded.pending,
        spent = w.spent + excluded.spent, expired = w.expired + excluded.expired,
        version = w.version + excluded.version
    RETURNING merchant_id, customer_id, spendable, pending, spent, expired, version, merged_into
    """
)
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
    SELECT a.customer_id AS asked, w.* FROM wallets a
    JOIN wallets w ON w.merchant_id = a.merchant_id AND w.customer_id = {stands_for("a")}
    WHERE a.merchant_id = :merchant_id AND a.customer_id = ANY(CAST(:customers AS uuid[]))
        AND w.version > 0
    """
)
# Of each of the few who are one member the newest, and of those the newest: each is one range of
# the index, however many entries there are.
_HISTORY: Final = text(
    f"""
    WITH last AS (
        SELECT {stands_for("wallets")} AS customer_id FROM wallets
        WHERE merchant_id = :merchant_id AND customer_id = :customer_id
    )
    SELECT h.* FROM last
    JOIN wallets w ON w.merchant_id = :merchant_id
        AND (w.customer_id = last.customer_id OR w.merged_into = last.customer_id),
    LATERAL (
        SELECT {_ENTRY_COLUMNS} FROM points_transactions t
        WHERE t.merchant_id = w.merchant_id AND t.customer_id = w.customer_id
            AND t.entry_id < CAST(:before AS uuid)
        ORDER BY t.entry_id DESC LIMIT :most
    ) AS h
    ORDER BY h.entry_id DESC LIMIT :most
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
_WAIT: Final = text(
    """
    INSERT INTO maturing (merchant_id, order_id, matures_at)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS r (merchant_id uuid, order_id text, matures_at timestamptz)
    ON CONFLICT DO NOTHING
    """
)
_TAKE_MATURED: Final = text(
    """
    DELETE FROM maturing WHERE (merchant_id, order_id) IN (
        SELECT merchant_id, order_id FROM maturing WHERE matures_at <= :at
        ORDER BY matures_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING merchant_id, order_id
    """
)
_LAST: Final = UUID(int=2**128 - 1)


class PostgresLedger(PostgresPrograms, PostgresEarningFacts):
    async def lock_orders(self, keys: Iterable[OrderKey]) -> Mapping[OrderKey, OrderState]:
        ordered = sorted(keys)
        if not ordered:
            return {}
        await self._connection.execute(
            _LOCK,
            {"merchants": [str(key.merchant_id) for key in ordered],
             "ids": [key.order_id for key in ordered]},
        )  # fmt: skip
        names = {
            "merchants": [key.merchant_id for key in ordered],
            "ids": [key.order_id for key in ordered],
        }
        facts = {
            OrderKey(row.merchant_id, row.order_id): facts_of(row)
            for row in await self._connection.execute(_ORDERS, names)
        }
        refunds: dict[OrderKey, list[RefundFacts]] = defaultdict(list)
        for row in await self._connection.execute(_REFUNDS, names):
            refunds[OrderKey(row.merchant_id, row.order_id)].append(
                RefundFacts(row.refund_id, row.order_id, row.merchandise, row.created_at)
            )
        entries: dict[OrderKey, list[EntryDraft]] = defaultdict(list)
        earners: dict[OrderKey, UUID] = {}
        if facts:  # no entry without its order
            for row in await self._connection.execute(_ENTRIES, names):
                key = OrderKey(row.merchant_id, row.order_id)
                entries[key].append(_draft(row))
                earners.setdefault(key, row.customer_id)
        return {
            key: OrderState(
                facts.get(key), tuple(refunds[key]), tuple(entries[key]), earners.get(key)
            )
            for key in ordered
        }

    async def learn_orders(self, facts: Mapping[OrderKey, OrderFacts]) -> None:
        if not facts:
            return
        rows = as_rows(
            {"merchant_id": key.merchant_id} | row_of(each) for key, each in facts.items()
        )
        await self._connection.execute(_LEARN_ORDERS, {"rows": rows})

    async def learn_refunds(self, refunds: Mapping[OrderKey, Sequence[RefundFacts]]) -> None:
        rows = [
            {
                "merchant_id": key.merchant_id,
                "order_id": key.order_id,
                "refund_id": refund.refund_id,
                "merchandise": refund.merchandise,
                "created_at": refund.created_at,
            }
            for key, found in refunds.items()
            for refund in found
        ]
        if rows:
            await self._connection.execute(_LEARN_REFUNDS, {"rows": as_rows(rows)})

    async def lock_wallets(self, keys: Iterable[WalletKey]) -> Mapping[WalletKey, Wallet]:
        asked = set(keys)
        held = await self._hold(asked)
        while missing := {key for row in held.values() if (key := _last(row)) not in held}:
            held |= await self._hold(missing)
        return {key: _wallet(_follow(key, held)) for key in asked}

    async def _hold(self, keys: Iterable[WalletKey]) -> dict[WalletKey, Row[Any]]:
        ordered = sorted(keys)
        names = {
            "merchants": [key.merchant_id for key in ordered],
            "customers": [key.customer_id for key in ordered],
        }
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
        return [
            Leftover(
                WalletKey(merchant_id, customer_id),
                WalletKey(merchant_id, stand_in.kept_id),
                _wallet(row),
                row.version,
            )
            for customer_id, stand_in in changed.items()
            if stand_in.kept_id is not None
            and ((row := wallets[customer_id]).spendable or row.pending)
        ]

    async def post(self, entries: Sequence[NewEntry]) -> Sequence[PostedEntry]:
        if not entries:
            return ()
        accepted = await self._append(entries)
        if not accepted:
            return ()
        await self._wait_for_maturity(accepted)
        by_wallet: dict[WalletKey, list[NewEntry]] = defaultdict(list)
        for entry in accepted:
            by_wallet[entry.wallet].append(entry)
        return [
            posted
            for key, (wallet, version) in (await self._move(by_wallet)).items()
            for posted in _step_by_step(by_wallet[key], wallet, version)
        ]

    async def _append(self, entries: Sequence[NewEntry]) -> Sequence[NewEntry]:
        """Those that were new, each with the wallet that it went to."""
        rows = as_rows(
            {
                "merchant_id": entry.wallet.merchant_id,
                "customer_id": entry.wallet.customer_id,
                "entry_id": entry.entry_id,
                "kind": draft.kind,
                "points": draft.points,
                "pending": draft.pending,
                "reason": draft.reason,
                "source": draft.source,
                "source_ref": draft.source_ref,
                "rule": draft.rule,
                "line": draft.line,
                "order_id": draft.order_id,
                "waived": draft.waived,
                "reverses": draft.reverses,
                "snapshot": None if draft.snapshot is None else draft.snapshot.to_dict(),
                "at": entry.at,
            }
            for entry, draft in ((entry, entry.draft) for entry in entries)
        )
        wallets = {
            row.entry_id: row.customer_id
            for row in await self._connection.execute(_APPEND, {"rows": rows})
        }
        return [
            entry
            if (customer_id := wallets[entry.entry_id]) == entry.wallet.customer_id
            else replace(entry, wallet=entry.wallet._replace(customer_id=customer_id))
            for entry in entries
            if entry.entry_id in wallets
        ]

    async def _wait_for_maturity(self, entries: Sequence[NewEntry]) -> None:
        waiting = {
            OrderKey(entry.wallet.merchant_id, entry.draft.order_id): entry.matures_at
            for entry in entries
            if entry.matures_at is not None and entry.draft.points > 0
        }
        if waiting:
            rows = as_rows(
                {"merchant_id": key.merchant_id, "order_id": key.order_id, "matures_at": at}
                for key, at in waiting.items()
            )
            await self._connection.execute(_WAIT, {"rows": rows})

    async def _move(
        self, by_wallet: Mapping[WalletKey, Sequence[NewEntry]]
    ) -> dict[WalletKey, tuple[Wallet, int]]:
        """The wallets after all of their new entries, and how many entries each now has."""
        moves = []
        for key in sorted(by_wallet):  # in one order everywhere, so that no two batches deadlock
            total = EMPTY
            for entry in by_wallet[key]:
                total = apply(total, entry.draft)
            moves.append(
                {
                    "merchant_id": key.merchant_id,
                    "customer_id": key.customer_id,
                    "spendable": total.spendable,
                    "pending": total.pending,
                    "spent": total.spent,
                    "expired": total.expired,
                    "version": len(by_wallet[key]),
                }
            )
        moved: dict[WalletKey, tuple[Wallet, int]] = {}
        for row in await self._connection.execute(_MOVE, {"rows": as_rows(moves)}):
            key = WalletKey(row.merchant_id, row.customer_id)
            moved[key] = (_wallet(row), row.version)
            if row.merged_into is not None and any(
                entry.draft.source != Source.MERGE for entry in by_wallet[key]
            ):
                # Whoever merged them was quicker to the wallet; the next try finds the other one.
                raise Unavailable("This member was merged into another at the same moment.")
        return moved

    async def wallet(self, key: WalletKey) -> Wallet | None:
        return (await self.wallets(key.merchant_id, [key.customer_id])).get(key.customer_id)

    async def wallets(self, merchant_id: UUID, customers: Sequence[UUID]) -> Mapping[UUID, Wallet]:
        rows = await self._connection.execute(
            _WALLETS, {"merchant_id": merchant_id, "customers": list(customers)}
        )
        return {row.asked: _wallet(row) for row in rows}

    async def history(
        self, key: WalletKey, before: UUID | None, limit: int
    ) -> Sequence[HistoryEntry]:
        rows = await self._connection.execute(
            _HISTORY,
            {
                "merchant_id": key.merchant_id,
                "customer_id": key.customer_id,
                "before": before or _LAST,
                "most": limit,
            },
        )
        return [HistoryEntry(row.entry_id, _draft(row), row.at) for row in rows]

    async def take_matured(self, at: datetime, limit: int) -> Sequence[OrderKey]:
        rows = await self._connection.execute(_TAKE_MATURED, {"at": at, "most": limit})
        return [OrderKey(row.merchant_id, row.order_id) for row in rows]


def _step_by_step(
    entries: Sequence[NewEntry], after_all: Wallet, version: int
) -> Iterable[PostedEntry]:
    """The wallet after each entry, worked out from the wallet after the last."""
    moved = EMPTY
    for entry in entries:
        moved = apply(moved, entry.draft)
    wallet = Wallet(
        after_all.spendable - moved.spendable,
        after_all.pending - moved.pending,
        after_all.spent - moved.spent,
        after_all.expired - moved.expired,
    )
    for number, entry in enumerate(entries, version - len(entries) + 1):
        wallet = apply(wallet, entry.draft)
        yield PostedEntry(entry, wallet, number)


def _last(row: Row[Any]) -> WalletKey:
    """The wallet of who stands for the member of a wallet."""
    return WalletKey(row.merchant_id, row.merged_into or row.customer_id)


def _follow(key: WalletKey, held: Mapping[WalletKey, Row[Any]]) -> Row[Any]:
    row = held[key]
    while (last := _last(row)) != key:
        key, row = last, held[last]
    return row


def _wallet(row: Row[Any]) -> Wallet:
    return Wallet(row.spendable, row.pending, row.spent, row.expired)


def _draft(row: Row[Any]) -> EntryDraft:
    snapshot = plain(row.snapshot)
    return EntryDraft(
        kind=EntryKind(row.kind),
        points=row.points,
        reason=row.reason,
        source=row.source,
        source_ref=row.source_ref,
        rule=row.rule,
        line=row.line,
        pending=row.pending,
        order_id=row.order_id,
        waived=row.waived,
        snapshot=None if snapshot is None else RuleSnapshot.from_dict(snapshot),
        reverses=None if row.reverses is None else EntryKind(row.reverses),
    )
