"""VIP tiers: a ladder of thresholds, where a member stands on it and how far the next step is."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from domain.errors import Problem


class TierMetric(StrEnum):
    """What a member climbs with: lifetime spend (shop currency), points earned, or orders."""

    SPEND = "spend"
    POINTS = "points"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class Tier:
    """``threshold`` is in units of the ladder's metric and belongs to the tier itself;
    ``multiplier`` is what its members' purchases earn, 1 meaning no bonus."""

    name: str
    threshold: Decimal
    multiplier: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class TierLadder:
    """Tiers in rising order of threshold. Below the first a member has no tier."""

    metric: TierMetric
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an amount stands: the tier reached, the next one, and what is missing to it."""

    tier: Tier | None
    next: Tier | None
    distance: Decimal


DEFAULT_LADDER = TierLadder(
    TierMetric.SPEND,
    (Tier("Silver", Decimal(100)), Tier("Gold", Decimal(500), Decimal("1.5"))),
)


def tier_for(ladder: TierLadder, amount: Decimal) -> Tier | None:
    """The highest tier whose threshold ``amount`` reaches, None below the first."""
    reached = None
    for tier in ladder.tiers:
        if amount < tier.threshold:
            break
        reached = tier
    return reached


def standing(ladder: TierLadder, amount: Decimal) -> Standing:
    """The tier for ``amount`` with the next one; the distance is 0 on the highest tier."""
    reached = None
    for tier in ladder.tiers:
        if amount < tier.threshold:
            return Standing(reached, tier, tier.threshold - amount)
        reached = tier
    return Standing(reached, None, Decimal(0))


def problems_of(ladder: TierLadder, pointer: str) -> list[Problem]:
    """Everything wrong with a ladder; ``pointer`` is where it hangs in the settings."""
    found = []
    names: set[str] = set()
    previous = Decimal(0)
    for index, tier in enumerate(ladder.tiers):
        at = f"{pointer}/tiers/{index}"
        if not tier.name.strip():
            found.append(Problem(f"{at}/name", "a tier needs a name"))
        elif tier.name.casefold() in names:
            found.append(Problem(f"{at}/name", "another tier has this name"))
        names.add(tier.name.casefold())
        if not tier.threshold.is_finite() or tier.threshold <= previous:
            found.append(Problem(f"{at}/threshold", f"must be more than {previous}"))
        else:
            previous = tier.threshold
        if not (tier.multiplier.is_finite() and 0 < tier.multiplier <= 100):
            found.append(Problem(f"{at}/multiplier", "must be more than 0 and at most 100"))
    return found
