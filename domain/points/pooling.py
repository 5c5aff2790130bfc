"""Points that a person has in several stores of one organisation: what is moved, and from where.

Every store keeps a wallet of its own; what can be spent in any of them is what all hold together.
Who spends more than is here has the rest moved here first, by two entries that add up to nothing.
"""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.lot import Share, spending_order
from domain.points.lots import LotsDisagree
from domain.points.wallet import Wallet

OUT: Final = "transfer_out"
IN: Final = "transfer_in"

PlaceT = TypeVar("PlaceT", bound=Hashable)


class Linked(NamedTuple):
    """A member who is in a pool since ``linked_at``."""

    merchant_id: UUID
    customer_id: UUID
    linked_at: datetime


def one_of_each_shop(linked: Iterable[Linked]) -> list[Linked]:
    """Who has the pool's points in each shop: the one linked last, where news of another who has
    left is still on its way. By shop."""
    last: dict[UUID, Linked] = {}
    for each in sorted(linked, key=lambda each: (each.linked_at, each.customer_id)):
        last[each.merchant_id] = each
    return [last[shop] for shop in sorted(last)]


def missing(own: Wallet, cost: int) -> int:
    """How many points have to come here before ``cost`` can be spent; a debt is paid first."""
    return max(0, cost - own.spendable)


def to_be_moved(elsewhere: Mapping[PlaceT, Iterable[Share]], points: int) -> dict[PlaceT, int]:
    """From where so many points are moved: those that expire first, wherever they are. Of each
    place, what would be spent first there.

    Raises LotsDisagree when there are fewer.
    """
    shares = ((share, place) for place, held in elsewhere.items() for share in held)
    moved: dict[PlaceT, int] = {}
    for share, place in sorted(shares, key=lambda each: spending_order(each[0])):
        part = min(share.points, points)
        if part > 0:
            moved[place] = moved.get(place, 0) + part
            points -= part
    if points:
        raise LotsDisagree
    return moved


def taken(reference: UUID, to_shop: UUID, points: int) -> EntryDraft:
    """The half that takes points from a wallet; ``reference`` says what they are moved for."""
    return _half(OUT, reference, to_shop, -points)


def given(reference: UUID, from_shop: UUID, points: int, uses: tuple[Share, ...]) -> EntryDraft:
    """The other half. The lots that paid for the first (``uses``) go over as they are, so that no
    point lives longer or shorter for it."""
    return _half(IN, reference, from_shop, points, uses)


def _half(
    reason: str, reference: UUID, other: UUID, points: int, uses: tuple[Share, ...] = ()
) -> EntryDraft:
    return EntryDraft(
        kind=EntryKind.TRANSFER,
        points=points,
        reason=reason,
        source=Source.POOL,
        source_ref=str(reference),
        rule=str(other),
        line=reason,
        uses=uses,
    )


def other_shop(draft: EntryDraft) -> UUID | None:
    """The shop at the other end of a move between stores; None for any other entry."""
    return UUID(draft.rule) if draft.source == Source.POOL else None
