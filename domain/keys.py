"""The life of a merchant's keys: one is current, those before still open, in the end they go."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.errors import Kind, LoyaltyError, NotFound, Unavailable


class KeyState(StrEnum):
    CURRENT = "current"  # seals and opens
    RETIRED = "retired"  # opens only what it has sealed before
    DESTROYED = "destroyed"  # overwritten: nobody has it any more


class KeysDestroyed(NotFound):
    code = "KEYS_DESTROYED"
    title = "The keys of this shop were destroyed: what was sealed for it cannot be opened."


class KeysShut(Unavailable):
    """Whoever works for many shops goes on with the others: this one's keys take people to mend."""

    title = "The keys of this shop cannot be unwrapped."


class ShopStillInstalled(LoyaltyError):
    code = "SHOP_STILL_INSTALLED"
    kind = Kind.CONFLICT
    title = "The shop uses LoyalNest: its keys are needed until it has removed the app."


KEPT_ELSEWHERE: Final = timedelta(days=7 + 90 + 1)
"""How long after a key's retirement something it has sealed may still be on its way: an event waits
up to 7 days in its stream, and as a dead letter up to 90 days more; a day is for stragglers."""


def may_destroy(retired_at: datetime, now: datetime, rows_left: Iterable[int | None]) -> bool:
    """Whether a retired key may go. ``rows_left`` is what each service that keeps sealed rows
    counts under it; None of one that has not said."""
    return now - retired_at >= KEPT_ELSEWHERE and all(left == 0 for left in rows_left)
