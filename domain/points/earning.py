"""What a purchase earns, and the snapshot of the rule it was earned by."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.money import CurrencyMismatch, Money, Rounding, allocate, whole
from domain.points.bonus import (
    NO_GOODS,
    NOBODY_SPECIAL,
    ONE,
    Bonus,
    Buyer,
    Goods,
    OrderLine,
    Overlap,
    Why,
    factor_of,
    is_among,
    why_not,
)
from domain.points.orders import OrderFacts
from domain.program import ProgramSettings

MOST_POINTS = Decimal(10) ** 12
"""Of one order, whatever it is about: a wallet counts to nine million times that."""
_NOTHING = Decimal(0)
_ANYTHING = OrderLine("", _NOTHING)
"""What shipping, tax and fixed points count as: only a bonus on all goods holds for it."""


class RuleSnapshot(NamedTuple):
    """Everything a later correction needs, so that it never looks at today's rules.

    ``rate`` is points per unit of shop currency, ``fixed`` points per order instead of it where it
    is not 0; ``bonuses`` are those that held for this member and moment, each for its goods.
    ``base`` is the spend that earned and ``merchandise`` the part of it whose return counts as a
    full refund, both in shop currency; ``points`` what came out, of ``cap`` at most, which is what
    the limits left when the order earned.
    """

    rule: str
    settings_version: int
    rate: Decimal
    rounding: Rounding
    minimum_spend: Decimal
    include_shipping: bool
    include_tax: bool
    base: Decimal
    merchandise: Decimal
    points: int
    fixed: int = 0
    excluded: Goods = NO_GOODS
    bonuses: tuple[Bonus, ...] = ()
    overlap: Overlap = Overlap.BEST
    cap: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain strings, whole numbers, lists and objects, ready for any store; amounts stay
        exact, and what most orders do without is left out."""
        told: dict[str, Any] = {
            "rule": self.rule,
            "settings_version": self.settings_version,
            "rate": str(self.rate),
            "rounding": self.rounding.value,
            "minimum_spend": str(self.minimum_spend),
            "include_shipping": int(self.include_shipping),
            "include_tax": int(self.include_tax),
            "base": str(self.base),
            "merchandise": str(self.merchandise),
            "points": self.points,
        }
        if self.fixed:
            told["fixed"] = self.fixed
        if not self.excluded.everything:
            told["excluded"] = _goods_to_dict(self.excluded)
        if self.bonuses:
            told["bonuses"] = [
                {"id": each.id, "factor": str(each.factor), "goods": _goods_to_dict(each.goods)}
                for each in self.bonuses
            ]
            told["overlap"] = self.overlap.value
        if self.cap is not None:
            told["cap"] = self.cap
        return told

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> "RuleSnapshot":
        """The snapshot ``to_dict`` wrote. Raises KeyError or ValueError for anything else."""
        bonuses = tuple(
            Bonus(each["id"], Decimal(each["factor"]), _goods_from_dict(each["goods"]))
            for each in stored.get("bonuses", ())
        )
        return RuleSnapshot(
            rule=str(stored["rule"]),
            settings_version=int(stored["settings_version"]),
            rate=Decimal(stored["rate"]),
            rounding=Rounding(str(stored["rounding"])),
            minimum_spend=Decimal(stored["minimum_spend"]),
            include_shipping=bool(stored["include_shipping"]),
            include_tax=bool(stored["include_tax"]),
            base=Decimal(stored["base"]),
            merchandise=Decimal(stored["merchandise"]),
            points=int(stored["points"]),
            fixed=int(stored.get("fixed", 0)),
            excluded=_goods_from_dict(stored.get("excluded", {})),
            bonuses=bonuses,
            overlap=Overlap(stored.get("overlap", Overlap.BEST)),
            cap=stored.get("cap"),
        )


def _goods_to_dict(goods: Goods) -> dict[str, list[str]]:
    named = {"products": goods.products, "tags": goods.tags, "collections": goods.collections}
    return {name: list(values) for name, values in named.items() if values}


def _goods_from_dict(stored: Mapping[str, Any]) -> Goods:
    return Goods(**{name: tuple(values) for name, values in stored.items()})


class Earned(NamedTuple):
    """Points, and why exactly that many."""

    points: int
    snapshot: RuleSnapshot


class Judged(NamedTuple):
    """A bonus of the program and what keeps it from an order; None: it holds."""

    bonus: Bonus
    why_not: Why | None


def purchase_points(
    settings: ProgramSettings,
    facts: OrderFacts,
    buyer: Buyer = NOBODY_SPECIAL,
    room: int | None = None,
    terms: RuleSnapshot | None = None,
) -> Earned:
    """What the order earns under the settings' purchase rule: the spend on each line times rate
    times the bonuses that hold for it, rounded once, at the end. 0 for a test order, a disabled
    rule or spend below the rule's minimum. Excluded goods neither earn nor count as spend.
    ``room`` is what the rule's limits leave the member; None where nothing bounds it. ``terms`` are
    ``terms_of(settings)``, where they are known already.

    Raises CurrencyMismatch when the amounts are not in the program's currency: a presentment
    currency must never earn.
    """
    terms = terms or terms_of(settings)
    return price(settings, terms if room is None else terms._replace(cap=room), facts, buyer)


def terms_of(settings: ProgramSettings) -> RuleSnapshot:
    """The purchase rule as a snapshot that has not earned yet."""
    rule, spend = settings.purchase, settings.spend
    return RuleSnapshot(
        rule=rule.id,
        settings_version=settings.version,
        rate=rule.points_per_unit,
        rounding=rule.rounding,
        minimum_spend=rule.minimum_spend,
        include_shipping=spend.include_shipping,
        include_tax=spend.include_tax,
        base=Decimal(0),
        merchandise=Decimal(0),
        points=0,
        fixed=rule.fixed_points,
        excluded=rule.excluded,
        overlap=settings.overlap,
    )


def price(
    settings: ProgramSettings, terms: RuleSnapshot, facts: OrderFacts, buyer: Buyer
) -> Earned:
    """``purchase_points``, for those who price many orders and so have ``terms_of(settings)``."""
    if facts.currency != settings.currency:
        raise CurrencyMismatch
    if facts.test or not settings.purchase.enabled or is_history(settings, facts):
        return Earned(0, terms)
    holding: tuple[Bonus, ...] = ()
    if settings.bonuses or buyer.tier:
        found = judged(settings, facts, buyer)
        holding = tuple([each.bonus for each in found if each.why_not is None])
    priced = _priced(terms, holding, facts)
    return Earned(priced.points, priced)


def is_history(settings: ProgramSettings, facts: OrderFacts) -> bool:
    """Whether the order was placed before orders earn."""
    beginning = settings.beginning
    return beginning is not None and facts.created_at < beginning


def judged(settings: ProgramSettings, facts: OrderFacts, buyer: Buyer) -> list[Judged]:
    """Every bonus of the program, the tier's own last, with what keeps it from this order."""
    placed_on = facts.created_at.astimezone(ZoneInfo(settings.time_zone)).date()
    lines = _earning_lines(facts, settings.purchase.excluded)
    spend = sum((line.amount for line in lines), Decimal(0))
    found = []
    for bonus in (*settings.bonuses, *_of_tier(settings, buyer)):
        why = why_not(bonus, buyer, placed_on, spend)
        if why is None and not any(is_among(line, bonus.goods) for line in lines):
            why = Why.OTHER_GOODS
        found.append(Judged(bonus, why))
    holding = [each.bonus for each in found if each.why_not is None]
    if len(holding) < 2 or settings.overlap is not Overlap.BEST:
        return found
    return [
        Judged(each.bonus, Why.OUTDONE)
        if each.why_not is None and _is_outdone(each.bonus, holding, lines)
        else each
        for each in found
    ]


def _is_outdone(bonus: Bonus, holding: list[Bonus], lines: list[OrderLine]) -> bool:
    """Whether on each of its lines a greater bonus holds, or the same one named before it."""
    before = holding[: holding.index(bonus)]
    return all(
        any(
            is_among(line, other.goods)
            and (other.factor > bonus.factor or (other.factor == bonus.factor and other in before))
            for other in holding
        )
        for line in lines
        if is_among(line, bonus.goods)
    )


def _of_tier(settings: ProgramSettings, buyer: Buyer) -> Iterator[Bonus]:
    """What the member's tier multiplies purchases with."""
    for tier in settings.tiers.tiers:
        if tier.name == buyer.tier and tier.multiplier != ONE:
            yield Bonus(f"tier:{tier.name}", tier.multiplier, tiers=(tier.name,))


def reprice(terms: RuleSnapshot, facts: OrderFacts) -> RuleSnapshot:
    """The same terms applied to what the order amounts to now (it may have been edited)."""
    return _priced(terms, terms.bonuses, facts)


def _priced(terms: RuleSnapshot, bonuses: tuple[Bonus, ...], facts: OrderFacts) -> RuleSnapshot:
    extras = _NOTHING
    if terms.include_shipping:
        extras += facts.shipping
    if terms.include_tax:
        extras += facts.tax
    if _by_goods(terms.excluded, bonuses):
        lines = _earning_lines(facts, terms.excluded)
        base = sum((line.amount for line in lines), extras)
        weighed = extras * factor_of(_ANYTHING, bonuses, terms.overlap)
        for line in lines:
            weighed += line.amount * factor_of(line, bonuses, terms.overlap)
    else:
        base = facts.merchandise + extras
        weighed = base
        if bonuses:
            weighed *= factor_of(_ANYTHING, bonuses, terms.overlap)
    points = 0
    if base > 0 and base >= terms.minimum_spend:
        if terms.fixed:
            weighed = terms.fixed * factor_of(_ANYTHING, bonuses, terms.overlap)
            points = whole(min(weighed, MOST_POINTS), terms.rounding)
        else:
            points = whole(min(weighed * terms.rate, MOST_POINTS), terms.rounding)
    if terms.cap is not None and points > terms.cap:
        points = terms.cap
    # As ``replace``, which takes half as long again; every order comes here.
    return RuleSnapshot(
        terms.rule,
        terms.settings_version,
        terms.rate,
        terms.rounding,
        terms.minimum_spend,
        terms.include_shipping,
        terms.include_tax,
        base,
        facts.merchandise,
        points,
        terms.fixed,
        terms.excluded,
        bonuses,
        terms.overlap,
        terms.cap,
    )


def _by_goods(excluded: Goods, bonuses: tuple[Bonus, ...]) -> bool:
    """Whether it matters which goods were bought."""
    return not excluded.everything or any(not each.goods.everything for each in bonuses)


def counted_lines(facts: OrderFacts) -> tuple[OrderLine, ...]:
    """The order's lines. Their amounts add up to its merchandise: what a discount on the whole
    order took off is shared out among them. One line without a product where none are told."""
    lines = facts.lines
    total = sum((line.amount for line in lines), Decimal(0))
    if total <= 0:
        return (OrderLine("", facts.merchandise),)
    if total == facts.merchandise:
        return lines
    weights = [max(line.amount, Decimal(0)) for line in lines]
    shares = allocate(Money(facts.merchandise, facts.currency), weights, Rounding.HALF_UP)
    return tuple(
        line._replace(amount=share.amount) for line, share in zip(lines, shares, strict=True)
    )


def _earning_lines(facts: OrderFacts, excluded: Goods) -> list[OrderLine]:
    """The lines without the excluded goods."""
    return [
        line for line in counted_lines(facts) if excluded.everything or not is_among(line, excluded)
    ]
