"""What entries do to the lots of a wallet: the one place that says which lot pays.

Of every wallet, at any time: what is left in its lots adds up to its spendable points, or to 0
while it is in debt.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from domain.errors import Kind, LoyaltyError
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.lot import FOREVER, Life, Lot, Share, spending_order

_ACTIVE: Final = frozenset(
    (
        EntryKind.EARN,
        EntryKind.REDEEM,
        EntryKind.REFERRAL,
        EntryKind.CAMPAIGN,
        EntryKind.BADGE,
        EntryKind.POS,
    )
)


class LotsDisagree(LoyaltyError):
    """A wallet's lots hold fewer points than the wallet: nothing is spent from such a one."""

    code = "LOTS_DISAGREE"
    kind = Kind.INTERNAL
    title = "The lots of a wallet do not add up to it."


def add_up(shares: Iterable[Share], spendable: int) -> bool:
    """Whether these are all that is left in the lots of a wallet with so many spendable points."""
    return sum(share.points for share in shares) == max(spendable, 0)


def touches_lots(draft: EntryDraft) -> bool:
    """Whether it depends on other entries and their lots what an entry does to lots. The rest only
    opens one, if anything."""
    return draft.undoes is not None or (
        not draft.pending and (draft.points < 0 or bool(draft.uses))
    )


def named_lots(draft: EntryDraft) -> frozenset[UUID]:
    """The lots that an entry asks for by name: a credit for those it goes back to, a debit for the
    one that pays first, whoever else is there."""
    if draft.points > 0:
        return frozenset(share.lot.lot_id for share in draft.uses)
    if draft.source == Source.EXPIRE:
        return frozenset((UUID(draft.source_ref),))
    return frozenset() if draft.undoes is None else frozenset((draft.undoes,))


def undoing(draft: EntryDraft, undone: EntryDraft) -> EntryDraft:
    """``draft``, knowing the posted entry that it undoes: what a debit took goes back to the lots
    that paid. What has expired would expire again, so it opens a lot of its own."""
    if draft.points <= 0 or undone.kind is EntryKind.EXPIRE:
        return draft
    return draft._replace(uses=undone.uses if undone.points < 0 else ())


def is_activity(draft: EntryDraft) -> bool:
    """Whether an entry shows that its member is there: earning and spending do. What is done by
    hand, by a refund or by the calendar does not."""
    return draft.kind in _ACTIVE and draft.source != Source.BIRTHDAY


def expiry_entry(share: Share, version: int) -> EntryDraft:
    """The entry that takes what is left of an expired lot. ``version`` counts the wallet's entries:
    it makes this entry another than that of the same lot before points came back to it."""
    return EntryDraft(
        kind=EntryKind.EXPIRE,
        points=-share.points,
        reason="expired",
        source=Source.EXPIRE,
        source_ref=str(share.lot.lot_id),
        rule="",
        line=str(version),
    )


class Lots:
    """The open lots of one wallet while entries are applied to it.

    ``spendable`` is the wallet's. Of the open lots only those need be given that may have to pay or
    that points go back to; to what merely opens lots it is all the same which there are. What
    became of lots is in ``changed``, by lot id: the share that is left now, 0 for none.
    """

    __slots__ = ("_open", "changed", "spendable")

    def __init__(self, spendable: int, shares: Iterable[Share] = ()) -> None:
        self.spendable = spendable
        self.changed: dict[UUID, Share] = {}
        self._open = {share.lot.lot_id: share for share in shares}

    def open(self) -> list[Share]:
        """What is left, the first to be spent first."""
        return sorted(self._open.values(), key=spending_order)

    def apply(
        self, entry_id: UUID, draft: EntryDraft, at: datetime, life: Life = FOREVER
    ) -> tuple[Share, ...]:
        """Apply one entry; what it took from lots, or put back into lots that had paid before.

        A debit is paid by the lots in ``spending_order``: but an expiry by the lot it names, what
        undoes a credit or takes back an order's points first by the lots those opened. What the
        lots cannot pay is debt. A credit first pays debt. Then it goes back to the lots in its
        ``uses``, those that were taken last first; what remains opens a lot with this ``life``.
        Raises LotsDisagree.
        """
        if draft.pending or draft.points == 0:
            return ()
        before = self.spendable
        self.spendable += draft.points
        if draft.points < 0:
            return self._take(draft, min(-draft.points, max(before, 0)))
        left = draft.points - min(draft.points, max(-before, 0))
        given_back: list[Share] = []
        for lot, points in reversed(draft.uses):
            back = min(points, left)
            if back > 0:
                left -= back
                self._add(lot, back)
                given_back.append(Share(lot, back))
        if left:
            self._add(Lot(entry_id, left, at, life, draft.order_id), left)
        return tuple(reversed(given_back))

    def _take(self, draft: EntryDraft, points: int) -> tuple[Share, ...]:
        taken: dict[UUID, Share] = {}
        for lot_id in self._payers(draft):
            if points == 0:
                break
            share = self._open.get(lot_id)
            if share is None:
                continue
            part = min(points, share.points)
            points -= part
            self._add(share.lot, -part)
            taken[lot_id] = Share(share.lot, part)
        if points:
            raise LotsDisagree
        return tuple(taken.values())

    def _payers(self, draft: EntryDraft) -> Iterator[UUID]:
        """Who pays, in turn. Lazily: most find what they need before all have been sorted."""
        yield from named_lots(draft)
        in_turn = self.open()
        if draft.order_id:
            yield from (
                share.lot.lot_id for share in in_turn if share.lot.order_id == draft.order_id
            )
        yield from (share.lot.lot_id for share in in_turn)

    def _add(self, lot: Lot, points: int) -> None:
        known = self._open.get(lot.lot_id)
        share = Share(lot, points + (0 if known is None else known.points))
        if share.points:
            self._open[lot.lot_id] = share
        else:
            del self._open[lot.lot_id]
        self.changed[lot.lot_id] = share
