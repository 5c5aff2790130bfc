"""``ports.ledger.Ledger`` on PostgreSQL: set-based, so a batch costs little more than an event."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from adapters.postgres.activities import PostgresEarningCounts
from adapters.postgres.connection import text
from adapters.postgres.earning import PostgresEarningFacts
from adapters.postgres.entries import PostgresEntries
from adapters.postgres.lots import in_order
from adapters.postgres.order_facts import PostgresOrderFacts
from adapters.postgres.programs import PostgresPrograms
from adapters.postgres.rows import as_rows
from adapters.postgres.wallets import PostgresWallets, follow, key_of
from domain.errors import Unavailable
from domain.points.ledger import Source
from domain.points.lot import Share
from domain.points.lots import Lots, is_activity, touches_lots
from domain.points.wallet import EMPTY, Wallet, apply
from ports.ledger import NewEntry, OrderKey, PostedEntry, WalletKey

_MOVE: Final = text(
    """
    INSERT INTO wallets AS w (
        merchant_id, customer_id, spendable, pending, spent, expired, version, active_at
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (
        merchant_id uuid, customer_id uuid, spendable bigint, pending bigint, spent bigint,
        expired bigint, version bigint, active_at timestamptz
    )
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        spendable = w.spendable + excluded.spendable, pending = w.pending + excluded.pending,
        spent = w.spent + excluded.spent, expired = w.expired + excluded.expired,
        version = w.version + excluded.version,
        active_at = greatest(w.active_at, excluded.active_at)
    RETURNING merchant_id, customer_id, spendable, pending, spent, expired, version, merged_into
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


class PostgresLedger(
    PostgresPrograms,
    PostgresEarningFacts,
    PostgresEarningCounts,
    PostgresOrderFacts,
    PostgresEntries,
    PostgresWallets,
):
    async def post(self, entries: Sequence[NewEntry]) -> Sequence[PostedEntry]:
        if not entries:
            return ()
        used: Mapping[WalletKey, Lots] = {}
        are_held = any(touches_lots(entry.draft) for entry in entries)
        if are_held:
            entries, used = await self._use_lots(entries)
        accepted = await self._append(entries, are_held=are_held)
        if not accepted:
            return ()
        by_wallet: dict[WalletKey, list[NewEntry]] = defaultdict(list)
        for entry in accepted:
            by_wallet[entry.wallet].append(entry)
        appended = {entry.entry_id for entry in accepted}
        if any(entry.wallet in used and entry.entry_id not in appended for entry in entries):
            raise Unavailable("The same was posted to this wallet at the same moment.")
        await self._wait_for_maturity(accepted)
        posted: list[PostedEntry] = []
        changed: dict[WalletKey, Iterable[Share]] = {}
        for key, (wallet, version) in (await self._move(by_wallet)).items():
            posted += _step_by_step(by_wallet[key], wallet, version)
            changed[key] = (used.get(key) or _opened(by_wallet[key], wallet)).changed.values()
        await self._keep_lots(changed, appended)
        await self._look_for(by_wallet)
        return posted

    async def _use_lots(
        self, entries: Sequence[NewEntry]
    ) -> tuple[Sequence[NewEntry], Mapping[WalletKey, Lots]]:
        """The entries that are new, those that touch lots with what they used, and these lots.

        What an entry used is written with it and never again, so all is settled before any is
        appended: wallets are held, and it is known which entries are new.
        """
        held = await self._hold_all({entry.wallet for entry in entries})
        if any(row.merged_into is not None for row in held.values()):
            entries = [
                entry
                if entry.draft.source == Source.MERGE
                else replace(entry, wallet=key_of(follow(entry.wallet, held)))
                for entry in entries
            ]
        touched = {entry.wallet for entry in entries if touches_lots(entry.draft)}
        fresh = await self._unknown([entry for entry in entries if entry.wallet in touched])
        by_wallet: dict[WalletKey, list[NewEntry]] = defaultdict(list)
        for entry in await self._knowing_what_they_undo(fresh):
            by_wallet[entry.wallet].append(entry)
        shares = await self._needed_lots(by_wallet)
        used = {key: Lots(held[key].spendable, shares.get(key, ())) for key in by_wallet}
        settled: dict[UUID, NewEntry] = {}
        for key, found in by_wallet.items():
            for entry in found:
                uses = used[key].apply(entry.entry_id, entry.draft, entry.at, entry.life)
                settled[entry.entry_id] = replace(entry, draft=entry.draft._replace(uses=uses))
        return [
            settled.get(entry.entry_id, entry)
            for entry in entries
            if entry.wallet not in touched or entry.entry_id in settled
        ], used

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
        for key in in_order(by_wallet):
            entries = by_wallet[key]
            total = EMPTY
            for entry in entries:
                total = apply(total, entry.draft)
            moves.append(
                {
                    "merchant_id": key.merchant_id,
                    "customer_id": key.customer_id,
                    "spendable": total.spendable,
                    "pending": total.pending,
                    "spent": total.spent,
                    "expired": total.expired,
                    "version": len(entries),
                    "active_at": max(
                        (entry.at for entry in entries if is_activity(entry.draft)), default=None
                    ),
                }
            )
        moved: dict[WalletKey, tuple[Wallet, int]] = {}
        rows = await self._connection.execute(_MOVE, {"rows": as_rows(moves)})
        for merchant_id, customer_id, *amounts, version, merged_into in rows:
            key = WalletKey(merchant_id, customer_id)
            moved[key] = (Wallet(*amounts), version)
            if merged_into is not None and any(
                entry.draft.source != Source.MERGE for entry in by_wallet[key]
            ):
                # Whoever merged them was quicker to the wallet; the next try finds the other one.
                raise Unavailable("This member was merged into another at the same moment.")
        return moved


def _step_by_step(
    entries: Sequence[NewEntry], after_all: Wallet, version: int
) -> Iterable[PostedEntry]:
    """The wallet after each entry, worked out from the wallet after the last."""
    if len(entries) == 1:  # as nearly always
        yield PostedEntry(entries[0], after_all, version)
        return
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


def _opened(entries: Sequence[NewEntry], after_all: Wallet) -> Lots:
    """The lots that entries opened which touch no others, where these are all that was posted."""
    before = sum(entry.draft.points for entry in entries if not entry.draft.pending)
    lots = Lots(after_all.spendable - before)
    for entry in entries:
        lots.apply(entry.entry_id, entry.draft, entry.at, entry.life)
    return lots
