"""Quintiles: scores 1 to 5 by rank within the shop instead of by fixed thresholds."""

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Protocol, Self, TypeVar


class Ordered(Hashable, Protocol):
    """A value with a place among its like: a number, a Decimal, a datetime."""

    def __lt__(self, other: Self, /) -> bool: ...


K = TypeVar("K")
V = TypeVar("V", bound=Ordered)


def quintiles(values: Mapping[K, V]) -> dict[K, int]:
    """Each key's quintile, 5 for the highest fifth of the values.

    Tie rule: equal values share one quintile, that of their middle rank: with ``below`` smaller
    and ``equal`` equal values among ``n``, it is ``1 + floor(5 x (below + equal / 2) / n)``. It
    depends on the values alone, never on the order of rows, so where half of a shop has one order
    that half sits together in the quintile of its own middle, and some quintiles may stay empty.
    """
    n = len(values)
    of_value: dict[V, int] = {}
    below = 0
    counts = Counter(values.values())
    for value in sorted(counts):
        equal = counts[value]
        of_value[value] = 1 + 5 * (2 * below + equal) // (2 * n)
        below += equal
    return {key: of_value[value] for key, value in values.items()}
