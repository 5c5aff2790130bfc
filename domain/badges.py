"""Badges: what they are called and which rule awards them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Badge:
    """Awarded once to each member whose number of counting orders reaches ``orders``."""

    id: str
    name: str
    description: str
    orders: int


FIRST_ORDER = Badge("first_order", "First order", "Placed a first order.", orders=1)
BADGES = (FIRST_ORDER,)


def due_badges(orders: int, held: Iterable[str]) -> tuple[Badge, ...]:
    """The badges a member with so many counting orders (neither test nor cancelled) has earned
    and does not hold yet, by id. A badge once awarded stays: cancelling takes none back."""
    have = frozenset(held)
    return tuple(badge for badge in BADGES if orders >= badge.orders and badge.id not in have)
