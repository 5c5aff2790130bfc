"""Orders, entries and wallets as documents, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from adapters.mongo.values import (
    Document,
    amount,
    exact,
    instant,
    instant_or_none,
    ticks,
    ticks_or_none,
)
from domain.merging import StandIn
from domain.points.bonus import OrderLine
from domain.points.earning import RuleSnapshot
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import Life, Lot, Share
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.wallet import EMPTY, Wallet
from ports.ledger import HistoryEntry, NewEntry, OrderKey, WalletKey

TX: Final = 1
"""For the number of the transaction that wrote an entry, which MongoDB does not have; one that was
written on PostgreSQL keeps its own. Not 0, which says that an entry is from a time when entries did
not tell their lots."""
_THEMSELVES: Final = StandIn()


@dataclass(slots=True)
class Held:
    """All of a wallet but its lots."""

    wallet: Wallet = EMPTY
    version: int = 0
    stand_in: StandIn = _THEMSELVES
    active_at: datetime | None = None


def order_document(
    key: OrderKey, facts: OrderFacts | None, refunds: Sequence[RefundFacts]
) -> Document:
    return {
        "merchant_id": key.merchant_id,
        "order_id": key.order_id,
        "facts": None if facts is None else _facts_document(facts),
        "refunds": [
            {
                "refund_id": each.refund_id,
                "merchandise": exact(each.merchandise),
                "created_at": ticks(each.created_at),
            }
            for each in refunds
        ],
    }


def read_order(document: Document) -> tuple[OrderFacts | None, tuple[RefundFacts, ...]]:
    order_id = document["order_id"]
    stored = document["facts"]
    return (
        None if stored is None else _read_facts(order_id, stored),
        tuple(
            RefundFacts(
                each["refund_id"],
                order_id,
                amount(each, "merchandise"),
                instant(each["created_at"]),
            )
            for each in document["refunds"]
        ),
    )


def _facts_document(facts: OrderFacts) -> Document:
    return {
        "customer_id": facts.customer_id,
        "currency": facts.currency,
        "financial_status": facts.financial_status,
        "created_at": ticks(facts.created_at),
        "updated_at": ticks(facts.updated_at),
        "merchandise": exact(facts.merchandise),
        "shipping": exact(facts.shipping),
        "tax": exact(facts.tax),
        "test": facts.test,
        "paid_at": ticks_or_none(facts.paid_at),
        "cancelled_at": ticks_or_none(facts.cancelled_at),
        "fulfilled_at": ticks_or_none(facts.fulfilled_at),
        "lines": [
            {
                "product_id": line.product_id,
                "amount": exact(line.amount),
                "tags": list(line.tags),
            }
            | ({"collections": list(line.collections)} if line.collections else {})
            for line in facts.lines
        ],
    }


def _read_facts(order_id: str, stored: Document) -> OrderFacts:
    return OrderFacts(
        order_id=order_id,
        customer_id=stored["customer_id"],
        currency=stored["currency"],
        financial_status=stored["financial_status"],
        created_at=instant(stored["created_at"]),
        updated_at=instant(stored["updated_at"]),
        merchandise=amount(stored, "merchandise"),
        shipping=amount(stored, "shipping"),
        tax=amount(stored, "tax"),
        test=stored["test"],
        paid_at=instant_or_none(stored["paid_at"]),
        cancelled_at=instant_or_none(stored["cancelled_at"]),
        fulfilled_at=instant_or_none(stored["fulfilled_at"]),
        lines=tuple(
            OrderLine(
                line["product_id"],
                amount(line, "amount"),
                tuple(line["tags"]),
                tuple(line.get("collections", ())),
            )
            for line in stored["lines"]
        ),
    )


def entry_document(entry: NewEntry) -> Document:
    draft = entry.draft
    document = {
        "_id": entry.entry_id,
        "merchant_id": entry.wallet.merchant_id,
        "customer_id": entry.wallet.customer_id,
        "kind": draft.kind.value,
        "points": draft.points,
        "pending": draft.pending,
        "reason": draft.reason,
        "source": str(draft.source),
        "source_ref": draft.source_ref,
        "rule": draft.rule,
        "line": draft.line,
        "order_id": draft.order_id,
        "waived": draft.waived,
        "reverses": None if draft.reverses is None else draft.reverses.value,
        "snapshot": None if draft.snapshot is None else draft.snapshot.to_dict(),
        "at": ticks(entry.at),
        "uses": [lot_document(each) for each in draft.uses],
        "expires_at": ticks_or_none(entry.life.expires_at),
        "idle_days": entry.life.idle_days,
        "tx": TX,
    }
    return document if draft.undoes is None else document | {"undoes": draft.undoes}


def read_entry(document: Document) -> HistoryEntry:
    snapshot: dict[str, Any] | None = document["snapshot"]
    reverses: str | None = document["reverses"]
    entry_id: UUID = document["_id"]
    draft = EntryDraft(
        kind=EntryKind(document["kind"]),
        points=document["points"],
        reason=document["reason"],
        source=document["source"],
        source_ref=document["source_ref"],
        rule=document["rule"],
        line=document["line"],
        pending=document["pending"],
        order_id=document["order_id"],
        waived=document["waived"],
        snapshot=None if snapshot is None else RuleSnapshot.from_dict(snapshot),
        reverses=None if reverses is None else EntryKind(reverses),
        uses=tuple(read_lot(each) for each in document["uses"]),
        undoes=document.get("undoes"),
    )
    return HistoryEntry(entry_id, draft, instant(document["at"]), _life(document))


def lot_document(share: Share) -> Document:
    lot = share.lot
    return {
        "lot_id": lot.lot_id,
        "points": lot.points,
        "left": share.points,
        "opened_at": ticks(lot.opened_at),
        "expires_at": ticks_or_none(lot.life.expires_at),
        "idle_days": lot.life.idle_days,
        "order_id": lot.order_id,
    }


def read_lot(document: Document) -> Share:
    lot_id: UUID = document["lot_id"]
    order_id: str = document["order_id"]
    opened_at = instant(document["opened_at"])
    lot = Lot(lot_id, document["points"], opened_at, _life(document), order_id)
    return Share(lot, document["left"])


def _life(document: Document) -> Life:
    return Life(instant_or_none(document["expires_at"]), document["idle_days"])


def wallet_document(key: WalletKey, held: Held) -> Document:
    wallet = held.wallet
    return {
        "merchant_id": key.merchant_id,
        "customer_id": key.customer_id,
        "spendable": wallet.spendable,
        "pending": wallet.pending,
        "spent": wallet.spent,
        "expired": wallet.expired,
        "version": held.version,
        "merged_into": held.stand_in.kept_id,
        "merge_version": held.stand_in.version,
        "active_at": ticks_or_none(held.active_at),
    }


def read_wallet(document: Document) -> Held:
    return Held(
        Wallet(document["spendable"], document["pending"], document["spent"], document["expired"]),
        document["version"],
        StandIn(document["merged_into"], document["merge_version"]),
        instant_or_none(document["active_at"]),
    )
