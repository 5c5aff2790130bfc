"""What a purchase earns, and the snapshot of the rule it was earned by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from domain.money import CurrencyMismatch, Rounding, whole
from domain.points.orders import OrderFacts
from domain.program import ProgramSettings

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class RuleSnapshot:
    """Everything a later correction needs, so that it never looks at today's rules.

    ``rate`` is points per unit of shop currency; ``base`` the spend that earned and
    ``merchandise`` the part of it whose return counts as a full refund, both in shop currency;
    ``points`` what came out.
    """

    rule: str
    settings_version: int
    rate: Decimal
    rounding: Rounding
    multiplier: Decimal
    minimum_spend: Decimal
    include_shipping: bool
    include_tax: bool
    base: Decimal
    merchandise: Decimal
    points: int

    def to_dict(self) -> dict[str, str | int]:
        """Plain strings and whole numbers, ready for any store; amounts stay exact."""
        return {
            "rule": self.rule,
            "settings_version": self.settings_version,
            "rate": str(self.rate),
            "rounding": self.rounding.value,
            "multiplier": str(self.multiplier),
            "minimum_spend": str(self.minimum_spend),
            "include_shipping": int(self.include_shipping),
            "include_tax": int(self.include_tax),
            "base": str(self.base),
            "merchandise": str(self.merchandise),
            "points": self.points,
        }

    @staticmethod
    def from_dict(stored: Mapping[str, str | int]) -> "RuleSnapshot":
        """The snapshot ``to_dict`` wrote. Raises KeyError or ValueError for anything else."""
        return RuleSnapshot(
            rule=str(stored["rule"]),
            settings_version=int(stored["settings_version"]),
            rate=Decimal(stored["rate"]),
            rounding=Rounding(str(stored["rounding"])),
            multiplier=Decimal(stored["multiplier"]),
            minimum_spend=Decimal(stored["minimum_spend"]),
            include_shipping=bool(stored["include_shipping"]),
            include_tax=bool(stored["include_tax"]),
            base=Decimal(stored["base"]),
            merchandise=Decimal(stored["merchandise"]),
            points=int(stored["points"]),
        )


class Earned(NamedTuple):
    """Points, and why exactly that many."""

    points: int
    snapshot: RuleSnapshot


def purchase_points(
    settings: ProgramSettings, facts: OrderFacts, multiplier: Decimal = ONE
) -> Earned:
    """What the order earns under the settings' purchase rule: spend x rate x multiplier, rounded
    once, at the end. 0 for a test order, a disabled rule or spend below the rule's minimum.

    ``multiplier`` is the member's bonus (tier, campaign). Raises CurrencyMismatch when the amounts
    are not in the program's currency: a presentment currency must never earn.
    """
    if facts.currency != settings.currency:
        raise CurrencyMismatch
    rule, spend = settings.purchase, settings.spend
    terms = RuleSnapshot(
        rule=rule.id,
        settings_version=settings.version,
        rate=rule.points_per_unit,
        rounding=rule.rounding,
        multiplier=multiplier,
        minimum_spend=rule.minimum_spend,
        include_shipping=spend.include_shipping,
        include_tax=spend.include_tax,
        base=Decimal(0),
        merchandise=Decimal(0),
        points=0,
    )
    if facts.test or not rule.enabled:
        return Earned(0, terms)
    priced = reprice(terms, facts)
    return Earned(priced.points, priced)


def reprice(terms: RuleSnapshot, facts: OrderFacts) -> RuleSnapshot:
    """The same terms applied to what the order amounts to now (it may have been edited)."""
    base = facts.merchandise
    if terms.include_shipping:
        base += facts.shipping
    if terms.include_tax:
        base += facts.tax
    if base == terms.base and facts.merchandise == terms.merchandise:
        return terms
    points = 0
    if base > 0 and base >= terms.minimum_spend:
        points = whole(base * terms.rate * terms.multiplier, terms.rounding)
    return replace(terms, base=base, merchandise=facts.merchandise, points=points)
