"""Undoing one entry by hand: which can be, and what the entry is that does it."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from domain.errors import Kind, LoyaltyError
from domain.points.ledger import EntryDraft, EntryKind, Source


class AlreadyReversed(LoyaltyError):
    code = "ALREADY_REVERSED"
    kind = Kind.CONFLICT
    title = "This entry was undone before."


class NotReversible(LoyaltyError):
    """``detail`` says what to do instead."""

    code = "NOT_REVERSIBLE"
    kind = Kind.REFUSED
    title = "This entry cannot be undone."


_INSTEAD: Final = {
    Source.RELEASE: "Points that became spendable gave nobody any: undo what they were earned by.",
    Source.MERGE: "Points that were moved gave nobody any: undo what they were earned by.",
    Source.POOL: "Points that were moved between stores gave nobody any: undo what they were earned"
    " by, or cancel what they were spent on.",
    Source.REDEEM: "Cancel the redemption: that gives its points back.",
    Source.REDEMPTION: "This is part of a redemption; correct the balance by hand.",
}


def reversal(
    entry_id: UUID, entry: EntryDraft, reason: str, of_order: Iterable[EntryDraft] = ()
) -> EntryDraft:
    """The entry that undoes ``entry``. ``of_order`` are all entries of its order: points that have
    become spendable since are taken from where they are now.

    Raises NotReversible for what undoes something itself, is half of a move, belongs to a
    redemption, or moved nothing.
    """
    if entry.kind is EntryKind.REVERSAL or entry.undoes is not None:
        raise NotReversible("This entry undoes something itself; correct the balance by hand.")
    for source, instead in _INSTEAD.items():
        if entry.source == source:
            raise NotReversible(instead)
    if entry.points == 0:
        raise NotReversible("This entry moved no points.")
    released = any(each.source == Source.RELEASE for each in of_order)
    return EntryDraft(
        kind=EntryKind.REVERSAL,
        points=-entry.points,
        reason=reason,
        source=Source.REVERSAL,
        source_ref=str(entry_id),
        rule=entry.rule,
        line=entry.source,
        pending=entry.pending and not released,
        order_id=entry.order_id,
        reverses=entry.kind,
        undoes=entry_id,
    )
