"""Moving a member's points to the wallet of who stands for them since a merge."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.lot import Share
from domain.points.wallet import Wallet


class Transfer(NamedTuple):
    """One entry that takes points and one that gives them; together they add up to 0."""

    taken: EntryDraft
    given: EntryDraft


def transfers(
    merged_id: UUID, wallet: Wallet, version: int, lots: Sequence[Share] = ()
) -> list[Transfer]:
    """What empties the wallet of a merged member; [] for one that holds nothing.

    Debts move like points, pending points stay pending. The open ``lots`` go over as they are, so
    that no point lives longer or shorter for it. What was spent and what has expired is
    history, and stays counted where it happened. ``version`` counts the wallet's entries: it makes
    these entries others than those that have emptied the wallet before.
    """
    return [
        Transfer(
            _half(merged_id, -points, f"{version}/{what}/out", pending=pending),
            _half(merged_id, points, f"{version}/{what}/in", pending=pending, uses=uses),
        )
        for what, points, pending, uses in (
            ("spendable", wallet.spendable, False, tuple(lots)),
            ("pending", wallet.pending, True, ()),
        )
        if points != 0
    ]


def _half(
    merged_id: UUID, points: int, line: str, *, pending: bool, uses: tuple[Share, ...] = ()
) -> EntryDraft:
    return EntryDraft(
        kind=EntryKind.TRANSFER,
        points=points,
        reason="merged",
        source=Source.MERGE,
        source_ref=str(merged_id),
        rule="",
        line=line,
        pending=pending,
        uses=uses,
    )
