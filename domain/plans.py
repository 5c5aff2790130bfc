"""Plans: how many orders a month each carries, and when a merchant should hear about it."""

from dataclasses import dataclass
from enum import StrEnum

WARN_AT = (80, 100)
"""Percent of the plan's orders at which a warning goes out."""


class Plan(StrEnum):
    FREE = "free"
    STARTER = "starter"
    GROWTH = "growth"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """``monthly_usd`` is the price in whole US dollars, None where it is agreed;
    ``orders`` the orders a calendar month carries, None where there is no limit."""

    plan: Plan
    monthly_usd: int | None
    orders: int | None


TERMS = {
    Plan.FREE: PlanTerms(Plan.FREE, 0, 300),
    Plan.STARTER: PlanTerms(Plan.STARTER, 29, 500),
    Plan.GROWTH: PlanTerms(Plan.GROWTH, 99, 1500),
    Plan.ENTERPRISE: PlanTerms(Plan.ENTERPRISE, None, None),
}


def crossed(before: int, after: int, limit: int | None) -> tuple[int, ...]:
    """The percentages of WARN_AT that usage reached on its way from ``before`` to ``after``.

    Reaching counts: the 240th of 300 orders warns at 80. A plan without limit never warns.
    """
    if limit is None:
        return ()
    return tuple(p for p in WARN_AT if before * 100 < p * limit <= after * 100)
