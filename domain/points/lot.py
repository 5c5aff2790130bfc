"""A lot of points: what became spendable together, and when it stops being so."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID


class Life(NamedTuple):
    """How long a lot lives: until ``expires_at``, or ``idle_days`` days from when its member was
    last active; with neither, for ever. Set when the lot is opened, never changed."""

    expires_at: datetime | None = None
    idle_days: int = 0


FOREVER: Final = Life()


class Lot(NamedTuple):
    """What a lot is, whatever is left of it. ``lot_id`` is the id of the entry that opened it,
    ``points`` what it was opened with, ``order_id`` the order it was earned by, "" for none."""

    lot_id: UUID
    points: int
    opened_at: datetime
    life: Life = FOREVER
    order_id: str = ""


class Share(NamedTuple):
    """Some points of a lot: what is left of it in a wallet, or what an entry took or gave back."""

    lot: Lot
    points: int


def spending_order(share: Share) -> tuple[bool, datetime, datetime, UUID]:
    """What is spent first: the earliest to expire, those without a date last; then the oldest."""
    lot = share.lot
    ends_at = lot.life.expires_at
    return (ends_at is None, ends_at or lot.opened_at, lot.opened_at, lot.lot_id)


def still_out(taken: Iterable[Share], given_back: Iterable[Share]) -> tuple[Share, ...]:
    """What of the points that were taken has not been given back yet, in the order of taking."""
    lots: dict[UUID, Lot] = {}
    points: dict[UUID, int] = {}
    for sign, shares in ((1, taken), (-1, given_back)):
        for lot, amount in shares:
            lots.setdefault(lot.lot_id, lot)
            points[lot.lot_id] = points.get(lot.lot_id, 0) + sign * amount
    return tuple(Share(lots[key], amount) for key, amount in points.items() if amount > 0)
