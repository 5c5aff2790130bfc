"""RFM thresholds: where each score begins, per merchant, and how they follow the order value."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from domain.errors import Problem

DEFAULT_AVERAGE_ORDER = Decimal(50)
"""The average order value, in shop currency, for which the default monetary steps are made."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where scores 5, 4, 3 and 2 begin; whatever reaches none of them scores 1.

    ``recency``: whole days since the last order, at most. ``frequency``: orders, at least.
    ``monetary``: net spend in shop currency, at least.
    """

    recency: tuple[int, int, int, int] = (7, 30, 60, 90)
    frequency: tuple[int, int, int, int] = (10, 7, 4, 2)
    monetary: tuple[Decimal, Decimal, Decimal, Decimal] = (
        Decimal(2500),
        Decimal(1000),
        Decimal(250),
        Decimal(50),
    )


DEFAULT_THRESHOLDS = Thresholds()


def scaled(thresholds: Thresholds, average_order: Decimal) -> Thresholds:
    """The thresholds with money scaled to a shop whose average order is ``average_order``.

    A shop without orders yet (0 or less) keeps them as they are.
    """
    if average_order <= 0:
        return thresholds
    five, four, three, two = (
        step * average_order / DEFAULT_AVERAGE_ORDER for step in thresholds.monetary
    )
    return replace(thresholds, monetary=(five, four, three, two))


def problems_of(thresholds: Thresholds, pointer: str) -> list[Problem]:
    """Everything wrong with a set of thresholds; ``pointer`` is where it hangs in the settings."""
    found = []

    def check(name: str, steps: tuple[Decimal | int, ...], fits: Callable[..., bool]) -> None:
        word = "longer" if name == "recency" else "lower"
        for index, (better, worse) in enumerate(pairwise(steps), start=1):
            if not fits(better, worse):
                found.append(Problem(f"{pointer}/{name}/{index}", f"must be {word} than {better}"))
        if min(steps) < 0:
            found.append(Problem(f"{pointer}/{name}", "must not be negative"))

    check("recency", thresholds.recency, lambda better, worse: better < worse)
    check("frequency", thresholds.frequency, lambda better, worse: better > worse)
    if all(step.is_finite() for step in thresholds.monetary):
        check("monetary", thresholds.monetary, lambda better, worse: better > worse)
    else:
        found.append(Problem(f"{pointer}/monetary", "must be numbers"))
    return found
