"""Posting entries to the ledger and telling the mesh about each of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from contracts.kit import Body, Event
from contracts.points import ADJUSTED, EARNED, REDEEMED, REFUNDED, PointsMoved
from domain.points.ledger import EntryKind
from ports.events import Received
from ports.ledger import Ledger, NewEntry, PostedEntry
from ports.unit import Unit

LedgerT = TypeVar("LedgerT", bound=Ledger)

_EVENTS: Final[Mapping[EntryKind, Event[Body]]] = {
    EntryKind.EARN: EARNED,
    EntryKind.REFERRAL: EARNED,
    EntryKind.REFUND: REFUNDED,
    EntryKind.REDEEM: REDEEMED,
}
"""Which event tells of which kind of entry; the others are corrections."""


async def post(
    unit: Unit[LedgerT],
    entries: Sequence[NewEntry],
    causes: Mapping[UUID, Received[Any]] | None = None,
) -> Sequence[PostedEntry]:
    """Post and announce; ``causes`` tells which event led to which entry, by entry id."""
    if not entries:
        return ()
    posted = await unit.stores.post(entries)
    for each in posted:
        entry = each.entry
        draft = entry.draft
        unit.emit(
            _EVENTS.get(draft.kind, ADJUSTED),
            PointsMoved(
                entry_id=entry.entry_id,
                customer_id=entry.wallet.customer_id,
                points=draft.points,
                kind=draft.kind,
                source=draft.source,
                source_ref=draft.source_ref,
                spendable=each.wallet.spendable,
                pending=each.wallet.pending,
                version=each.version,
                occurred_at=entry.at,
            ),
            entry.wallet.merchant_id,
            cause=causes.get(entry.entry_id) if causes else None,
        )
    return posted
