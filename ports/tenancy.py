"""Whose data is being worked on: the shops that a call or a batch of events is about.

Set where work begins (a call: its caller's shop; a batch: the shops of its events) and read where a
transaction begins, so that no use case has to hand it on, or could forget to. What follows in the
same task has the same shops; the next call or batch has its own.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final
from uuid import UUID

from contracts.caller import NoShop

_SHOPS: Final[ContextVar[frozenset[UUID]]] = ContextVar("shops")


class OtherShops(Exception):
    """What is being done turns out to be about other shops, too: nothing of it may stay, and it has
    to begin again with them."""


@contextmanager
def within(shops: Iterable[UUID]) -> Iterator[None]:
    """Transactions that begin in this block see and change the data of these shops, and of no
    other."""
    token = _SHOPS.set(frozenset(shops))
    try:
        yield
    finally:
        _SHOPS.reset(token)


@contextmanager
def also_within(shops: Iterable[UUID]) -> Iterator[None]:
    """Transactions that begin in this block are about these shops, too, besides those at hand.

    Only for shops with which a member of a shop at hand shares a balance
    (``ports.pooling.Pools.pool``), and only around the one transaction that needs them.
    Raises NoShop where no shop is at hand and there are some.
    """
    more = frozenset(shops)
    with within(shops_at_hand() | more) if more else nullcontext():
        yield


def shops_at_hand() -> frozenset[UUID]:
    """The shops of the block that this runs in.

    Raises NoShop outside of any: nobody has said whose data this is about, and there is no
    shop that it could be by default.
    """
    try:
        return _SHOPS.get()
    except LookupError:
        raise NoShop(
            "no shop is at hand: this is done for a caller without one, or for nobody."
            " What is about no single shop is wired with units_across_shops."
        ) from None
