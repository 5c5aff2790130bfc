"""The settings of a merchant's program: what earns, what counts, what a refund does, who rises."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain import tiers
from domain.errors import Problem
from domain.money import Rounding, is_currency
from domain.plans import Plan
from domain.points import activities, earning_limits, expiry, pos
from domain.points.activities import (
    DEFAULT_ACTIVITIES,
    DEFAULT_BIRTHDAY,
    ActivityRule,
    BirthdayRule,
)
from domain.points.bonus import NO_GOODS, Bonus, Goods, Overlap
from domain.points.earning_limits import EarningLimit
from domain.points.expiry import NO_EXPIRY, Expiry
from domain.points.pos import DEFAULT_TILLS, TillRule
from domain.rfm import thresholds as rfm
from domain.rfm.segments import Segment
from domain.rfm.thresholds import DEFAULT_THRESHOLDS, Thresholds
from domain.tiers import DEFAULT_LADDER, TierLadder

MAX_PENDING_DAYS = 90
MAX_POINTS_PER_UNIT = 10_000
MAX_BONUS_POINTS = 1_000_000
MAX_FACTOR = 100
MAX_BONUSES = 100
MAX_GOODS = 250
MAX_COLLECTIONS = 100
MAX_DIGITS = 19
"""Of a number that stands for something at Shopify: they fit into 64 bits."""


class EarnOn(StrEnum):
    """The moment an order earns: as soon as it exists, once it is paid, or once all of it has been
    sent."""

    CREATED = "created"
    PAID = "paid"
    FULFILLED = "fulfilled"


class RefundPolicy(StrEnum):
    """What a claw-back may take. ONLY_PENDING: points still pending. WITHIN_BALANCE: as much as is
    there, never below zero. UNLIMITED: all of it, the balance may become negative."""

    ONLY_PENDING = "only_pending"
    WITHIN_BALANCE = "within_balance"
    UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class PurchaseRule:
    """Points for buying. ``points_per_unit`` is per unit of shop currency; orders whose spend is
    below ``minimum_spend`` (shop currency) earn nothing. ``fixed_points``, where not 0, are given
    for the whole order instead. ``excluded`` goods neither earn nor count as spend; naming none
    excludes none. Fractions are dropped by default, so a point is never given for money that was
    not spent. ``limits`` are what one member's orders may earn."""

    points_per_unit: Decimal = Decimal(1)
    rounding: Rounding = Rounding.DOWN
    minimum_spend: Decimal = Decimal(0)
    enabled: bool = True
    id: str = "purchase"
    fixed_points: int = 0
    excluded: Goods = NO_GOODS
    limits: tuple[EarningLimit, ...] = ()


@dataclass(frozen=True, slots=True)
class SignupRule:
    """Points for becoming a member, once."""

    points: int = 200
    enabled: bool = True
    id: str = "signup"


@dataclass(frozen=True, slots=True)
class SpendRule:
    """What of an order counts as spend, beside its merchandise after discounts. Gift cards and
    test orders never do, so there is no switch for them."""

    include_shipping: bool = False
    include_tax: bool = False


@dataclass(frozen=True, slots=True)
class ReferralSettings:
    """What a completed referral gives each side: points, and a discount in percent. The friend's
    order must reach ``minimum_spend`` (shop currency); a link lives ``expiry_days``."""

    enabled: bool = True
    advocate_points: int = 0
    friend_points: int = 0
    advocate_percent: Decimal = Decimal(10)
    friend_percent: Decimal = Decimal(10)
    minimum_spend: Decimal = Decimal(0)
    expiry_days: int = 30
    new_customers_only: bool = True


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """One version of one merchant's program; a change is a new version, never an edit.

    ``currency`` is the shop's own (ISO 4217), ``time_zone`` its IANA name. Points wait
    ``pending_days`` days before they can be spent. ``bonuses`` multiply what purchases earn, and so
    do the tiers; ``overlap`` says what holds where several meet. ``expiry`` is for points that
    become spendable from now on; those there are keep the terms they came with.
    Orders placed before ``earns_from`` earn nothing; they count for all else. It is set when a shop
    installs the app, so that what was bought before is history. Empty: orders earn however old. It
    is text because plain Python has no type for an instant that cannot lack its offset.
    """

    currency: str
    version: int = 1
    time_zone: str = "UTC"
    purchase: PurchaseRule = PurchaseRule()
    signup: SignupRule = SignupRule()
    spend: SpendRule = SpendRule()
    earn_on: EarnOn = EarnOn.CREATED
    pending_days: int = 0
    refund_policy: RefundPolicy = RefundPolicy.UNLIMITED
    referral: ReferralSettings = ReferralSettings()
    tiers: TierLadder = DEFAULT_LADDER
    rfm: Thresholds = DEFAULT_THRESHOLDS
    plan: Plan = Plan.FREE
    bonuses: tuple[Bonus, ...] = ()
    overlap: Overlap = Overlap.BEST
    expiry: Expiry = NO_EXPIRY
    activities: tuple[ActivityRule, ...] = DEFAULT_ACTIVITIES
    birthday: BirthdayRule = DEFAULT_BIRTHDAY
    earns_from: str = ""
    tills: TillRule = DEFAULT_TILLS

    @property
    def beginning(self) -> datetime | None:
        """``earns_from`` as an instant."""
        return _instant(self.earns_from) if self.earns_from else None

    @property
    def by_goods(self) -> bool:
        """Whether it matters to what an order earns which goods it is for."""
        return not self.purchase.excluded.everything or bool(self.bonuses)

    @property
    def collections(self) -> frozenset[str]:
        """The collections that it names, also in bonuses that do not hold now."""
        goods = (self.purchase.excluded, *(each.goods for each in self.bonuses))
        return frozenset(name for each in goods for name in each.collections)

    @property
    def by_member(self) -> bool:
        """Whether it matters to what an order earns who bought."""
        return any(each.tiers or each.segments for each in self.bonuses) or any(
            tier.multiplier != 1 for tier in self.tiers.tiers
        )

    def activity(self, activity_id: str) -> ActivityRule | None:
        """The rule for an activity; None where the program has none."""
        return next((rule for rule in self.activities if rule.id == activity_id), None)


def defaults(currency: str) -> ProgramSettings:
    """The program every merchant starts with: 1 point per unit, 200 for signing up, refunds take
    back all they should, Silver from 100 and Gold from 500 of spend."""
    return ProgramSettings(currency=currency)


def validate(settings: ProgramSettings) -> list[Problem]:
    """Everything wrong with the settings, each with the JSON pointer of the field; [] if fine."""
    found: list[Problem] = []

    def need(fine: bool, pointer: str, detail: str) -> None:
        if not fine:
            found.append(Problem(pointer, detail))

    need(settings.version >= 1, "/version", "must be at least 1")
    need(is_currency(settings.currency), "/currency", "must be three capital letters")
    need(_is_zone(settings.time_zone), "/time_zone", "must be an IANA time zone")
    need(
        not settings.earns_from or _is_instant(settings.earns_from),
        "/earns_from",
        "must be an instant with an offset, such as 2026-11-20T08:09:03Z",
    )
    need(
        0 <= settings.pending_days <= MAX_PENDING_DAYS,
        "/pending_days",
        f"must be between 0 and {MAX_PENDING_DAYS}",
    )

    purchase = settings.purchase
    need(
        _within(purchase.points_per_unit, 0, MAX_POINTS_PER_UNIT),
        "/purchase/points_per_unit",
        f"must be between 0 and {MAX_POINTS_PER_UNIT}",
    )
    need(_is_amount(purchase.minimum_spend), "/purchase/minimum_spend", "must not be negative")
    need(bool(purchase.id), "/purchase/id", "a rule needs an id")
    need(
        0 <= purchase.fixed_points <= MAX_BONUS_POINTS,
        "/purchase/fixed_points",
        f"must be between 0 and {MAX_BONUS_POINTS}",
    )
    found += _goods_problems(purchase.excluded, "/purchase/excluded")
    found += earning_limits.problems_of(purchase.limits, "/purchase/limits")
    found += _bonus_problems(settings)
    need(
        0 <= settings.signup.points <= MAX_BONUS_POINTS,
        "/signup/points",
        f"must be between 0 and {MAX_BONUS_POINTS}",
    )
    need(bool(settings.signup.id), "/signup/id", "a rule needs an id")

    referral = settings.referral
    for name in ("advocate", "friend"):
        points: int = getattr(referral, f"{name}_points")
        percent: Decimal = getattr(referral, f"{name}_percent")
        need(
            0 <= points <= MAX_BONUS_POINTS,
            f"/referral/{name}_points",
            f"must be between 0 and {MAX_BONUS_POINTS}",
        )
        need(
            _within(percent, 0, 100),
            f"/referral/{name}_percent",
            "must be between 0 and 100",
        )
    need(_is_amount(referral.minimum_spend), "/referral/minimum_spend", "must not be negative")
    need(
        1 <= referral.expiry_days <= 365,
        "/referral/expiry_days",
        "must be between 1 and 365",
    )

    tier_names = {tier.name for tier in settings.tiers.tiers}
    found += activities.problems_of(settings.activities, tier_names, "/activities")
    need(
        0 <= settings.birthday.points <= MAX_BONUS_POINTS,
        "/birthday/points",
        f"must be between 0 and {MAX_BONUS_POINTS}",
    )
    need(bool(settings.birthday.id), "/birthday/id", "a rule needs an id")
    found += expiry.problems_of(settings.expiry, "/expiry")
    found += pos.problems_of(settings.tills, "/tills")
    found += tiers.problems_of(settings.tiers, "/tiers")
    found += rfm.problems_of(settings.rfm, "/rfm")
    return found


def _bonus_problems(settings: ProgramSettings) -> list[Problem]:
    found: list[Problem] = []
    if len(settings.bonuses) > MAX_BONUSES:
        found.append(Problem("/bonuses", f"at most {MAX_BONUSES}"))
    if len(settings.collections) > MAX_COLLECTIONS:
        detail = f"at most {MAX_COLLECTIONS} different collections, exclusions included"
        found.append(Problem("/bonuses", detail))
    seen: set[str] = set()
    tiers = {tier.name for tier in settings.tiers.tiers}
    for index, bonus in enumerate(settings.bonuses):
        at = f"/bonuses/{index}"
        if not bonus.id or ":" in bonus.id:
            found.append(Problem(f"{at}/id", "a bonus needs an id, without a colon"))
        elif bonus.id in seen:
            found.append(Problem(f"{at}/id", "another bonus has this id"))
        seen.add(bonus.id)
        if not (bonus.factor.is_finite() and 0 <= bonus.factor <= MAX_FACTOR):
            found.append(Problem(f"{at}/factor", f"must be between 0 and {MAX_FACTOR}"))
        if not _is_amount(bonus.minimum_spend):
            found.append(Problem(f"{at}/minimum_spend", "must not be negative"))
        found += [
            Problem(f"{at}/tiers/{number}", "the program has no such tier")
            for number, name in enumerate(bonus.tiers)
            if name not in tiers
        ]
        found += [
            Problem(f"{at}/segments/{number}", "there is no such segment")
            for number, name in enumerate(bonus.segments)
            if name not in set(Segment)
        ]
        if bonus.first_day and bonus.last_day and bonus.last_day < bonus.first_day:
            found.append(Problem(f"{at}/last_day", "must not be before first_day"))
        found += _goods_problems(bonus.goods, f"{at}/goods")
    return found


def _goods_problems(goods: Goods, pointer: str) -> list[Problem]:
    found = [
        Problem(f"{pointer}/{name}", f"at most {MAX_GOODS}, none of them empty")
        for name in ("products", "tags")
        if len(named := getattr(goods, name)) > MAX_GOODS or not all(each.strip() for each in named)
    ]
    collections = goods.collections
    if len(collections) > MAX_GOODS or not all(map(_is_number, collections)):
        detail = f"at most {MAX_GOODS}, each the number that its id at Shopify ends in"
        found.append(Problem(f"{pointer}/collections", detail))
    return found


@lru_cache(maxsize=10_000)
def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


def _within(value: Decimal, low: int, high: int) -> bool:
    return value.is_finite() and low <= value <= high


def _is_amount(value: Decimal) -> bool:
    return value.is_finite() and value >= 0


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True
