"""Rewards: what points buy, for how many, who may buy it, and why somebody cannot."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.errors import InvalidRequest, Kind, LimitReached, LoyaltyError, Problem
from domain.money import exponent
from domain.points.benefits import (
    AmountOff,
    Benefit,
    FreeProduct,
    FreeShipping,
    GiftCard,
    PercentOff,
    StoreCredit,
)
from domain.points.codes import MOST_PREFIX, is_prefix
from domain.points.wallet import InsufficientPoints

MOST_COST: Final = 10_000_000
MOST_AMOUNT: Final = Decimal(1_000_000)
MOST_DAYS: Final = 3_650
MOST_TIMES: Final = 1_000_000
MOST_NAME: Final = 100
MOST_TIERS: Final = 20


class RewardUnavailable(LoyaltyError):
    code = "REWARD_UNAVAILABLE"
    kind = Kind.REFUSED
    title = "This reward cannot be had now."


class RewardConflict(LoyaltyError):
    """Somebody else saved in between; ``version`` of the request is not the current one."""

    code = "REWARD_CONFLICT"
    kind = Kind.CONFLICT
    title = "The reward was changed by somebody else in the meantime; load it again."


class RewardKind(StrEnum):
    """A checkout coupon is a discount that must be used soon. With an incremental reward members
    choose how many points they spend; it is a discount, too."""

    DISCOUNT = "discount"
    PERCENTAGE = "percentage"
    FREE_SHIPPING = "free_shipping"
    FREE_PRODUCT = "free_product"
    CHECKOUT_COUPON = "checkout_coupon"
    INCREMENTAL = "incremental"
    STORE_CREDIT = "store_credit"
    GIFT_CARD = "gift_card"


_AMOUNTS: Final = frozenset(
    (
        RewardKind.DISCOUNT,
        RewardKind.CHECKOUT_COUPON,
        RewardKind.INCREMENTAL,
        RewardKind.STORE_CREDIT,
        RewardKind.GIFT_CARD,
    )
)
_WITHOUT_MINIMUM: Final = frozenset(
    (RewardKind.FREE_PRODUCT, RewardKind.STORE_CREDIT, RewardKind.GIFT_CARD)
)
"""What Shopify cannot tie to the value of an order."""


@dataclass(frozen=True, slots=True)
class RewardTerms:
    """What a merchant says of a reward.

    ``cost`` is in points; of an incremental reward each ``step_points`` buy ``amount``, from
    ``min_points`` to ``max_points``. ``amount`` and ``minimum_subtotal`` are in shop currency. A
    code is good for ``code_days`` days (None: for ever). ``stock`` is how often the reward can be
    had at all, ``per_member`` how often by one member, ``per_window`` how often by one within
    ``window_days`` days; None is no limit. Naming no ``tiers`` lets everybody have it. When a code
    runs out, its points come back if ``returns_on_expiry``; members may give back an unused one if
    ``member_may_cancel``.
    """

    name: str
    kind: RewardKind
    cost: int = 0
    amount: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)
    product_id: str = ""
    step_points: int = 0
    min_points: int = 0
    max_points: int = 0
    minimum_subtotal: Decimal = Decimal(0)
    code_prefix: str = "LOY-"
    code_days: int | None = 90
    stock: int | None = None
    per_member: int | None = None
    per_window: int | None = None
    window_days: int | None = None
    tiers: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    enabled: bool = True
    returns_on_expiry: bool = False
    member_may_cancel: bool = False


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward of a shop; ``taken`` is how much of its stock is gone. An archived one is kept for
    those who have it."""

    merchant_id: UUID
    reward_id: UUID
    version: int
    terms: RewardTerms
    archived: bool
    taken: int
    created_at: datetime
    updated_at: datetime


def problems_of(terms: RewardTerms, currency: str) -> list[Problem]:
    """Everything wrong with the terms, each with the JSON pointer of the field; [] if fine."""
    found: list[Problem] = []

    def need(fine: bool, pointer: str, detail: str) -> None:
        if not fine:
            found.append(Problem(pointer, detail))

    need(
        0 < len(terms.name.strip()) <= MOST_NAME and terms.name.isprintable(),
        "/name",
        f"1 to {MOST_NAME} characters",
    )
    if terms.kind is RewardKind.INCREMENTAL:
        need(terms.cost == 0, "/cost", "members choose how many points they spend")
        found += _step_problems(terms)
    else:
        need(0 < terms.cost <= MOST_COST, "/cost", f"must be 1 to {MOST_COST} points")
        for name in ("step_points", "min_points", "max_points"):
            need(getattr(terms, name) == 0, f"/{name}", "is for incremental rewards")
    if terms.kind in _AMOUNTS:
        need(
            _is_amount(terms.amount, currency) and terms.amount > 0,
            "/amount",
            f"must be more than 0, in whole minor units of {currency}",
        )
    else:
        need(_is_none(terms.amount), "/amount", "is not for this kind of reward")
    if terms.kind is RewardKind.PERCENTAGE:
        need(
            terms.percent.is_finite() and 0 < terms.percent <= 100,
            "/percent",
            "must be more than 0, at most 100",
        )
    else:
        need(_is_none(terms.percent), "/percent", "is for percentages")
    if terms.kind is RewardKind.FREE_PRODUCT:
        need(_is_product(terms.product_id), "/product_id", "must be a product's id at Shopify")
    else:
        need(terms.product_id == "", "/product_id", "is for free products")
    need(
        _is_amount(terms.minimum_subtotal, currency)
        and (terms.minimum_subtotal == 0 or terms.kind not in _WITHOUT_MINIMUM),
        "/minimum_subtotal",
        "must not be negative, and 0 where no order is asked for",
    )
    need(
        is_prefix(terms.code_prefix),
        "/code_prefix",
        f"at most {MOST_PREFIX} capital letters and digits, ending in a hyphen",
    )
    need(_in(terms.code_days, MOST_DAYS), "/code_days", f"must be 1 to {MOST_DAYS}")
    if terms.kind is RewardKind.CHECKOUT_COUPON:
        need(terms.code_days is not None, "/code_days", "a checkout coupon must run out")
    if terms.kind is RewardKind.STORE_CREDIT:
        need(not terms.returns_on_expiry, "/returns_on_expiry", "store credit does not run out")
        need(not terms.member_may_cancel, "/member_may_cancel", "store credit cannot be given back")
    for name in ("stock", "per_member", "per_window"):
        need(_in(getattr(terms, name), MOST_TIMES), f"/{name}", f"must be 1 to {MOST_TIMES}")
    need(_in(terms.window_days, MOST_DAYS), "/window_days", f"must be 1 to {MOST_DAYS}")
    need(
        (terms.per_window is None) == (terms.window_days is None),
        "/window_days",
        "per_window and window_days belong together",
    )
    need(
        len(terms.tiers) <= MOST_TIERS
        and all(0 < len(each.strip()) <= MOST_NAME for each in terms.tiers),
        "/tiers",
        f"at most {MOST_TIERS}, none of them empty",
    )
    if terms.starts_at is not None and terms.ends_at is not None:
        need(terms.starts_at < terms.ends_at, "/ends_at", "must be after starts_at")
    return found


def _step_problems(terms: RewardTerms) -> list[Problem]:
    found = []
    step, low, high = terms.step_points, terms.min_points, terms.max_points
    if not 0 < step <= MOST_COST:
        found.append(Problem("/step_points", f"must be 1 to {MOST_COST} points"))
        step = 1
    if not 0 < low <= MOST_COST or low % step:
        found.append(Problem("/min_points", "must be more than 0, in whole steps"))
    if not max(low, 1) <= high <= MOST_COST or high % step:
        found.append(Problem("/max_points", "must not be below min_points, in whole steps"))
    if terms.amount.is_finite() and terms.amount * (high // step) > MOST_AMOUNT:
        found.append(Problem("/max_points", f"would buy more than {MOST_AMOUNT}"))
    return found


@dataclass(frozen=True, slots=True)
class Bought:
    """What a member gets for how many points."""

    points: int
    benefit: Benefit


def bought(terms: RewardTerms, points: int | None, currency: str) -> Bought:
    """What ``points`` buy; only an incremental reward takes a number, the others have their price.

    Raises InvalidRequest for a number of points that the reward does not take.
    """
    if terms.kind is not RewardKind.INCREMENTAL:
        if points is not None and points != terms.cost:
            raise InvalidRequest(problems=[Problem("/points", f"This costs {terms.cost} points.")])
        return Bought(terms.cost, _benefit(terms, terms.amount, currency))
    low, high, step = terms.min_points, terms.max_points, terms.step_points
    if points is None or not low <= points <= high or points % step:
        detail = f"{low} to {high} points, in steps of {step}."
        raise InvalidRequest(problems=[Problem("/points", detail)])
    return Bought(points, _benefit(terms, terms.amount * (points // step), currency))


def _benefit(terms: RewardTerms, amount: Decimal, currency: str) -> Benefit:
    match terms.kind:
        case RewardKind.DISCOUNT | RewardKind.CHECKOUT_COUPON | RewardKind.INCREMENTAL:
            return AmountOff(amount, terms.minimum_subtotal)
        case RewardKind.PERCENTAGE:
            return PercentOff(terms.percent, terms.minimum_subtotal)
        case RewardKind.FREE_SHIPPING:
            return FreeShipping(terms.minimum_subtotal)
        case RewardKind.FREE_PRODUCT:
            return FreeProduct(terms.product_id)
        case RewardKind.STORE_CREDIT:
            return StoreCredit(amount, currency)
        case RewardKind.GIFT_CARD:
            return GiftCard(amount)


class WhyNot(StrEnum):
    """Why a member cannot have a reward now."""

    ARCHIVED = "archived"
    DISABLED = "disabled"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    TIER = "tier"
    SOLD_OUT = "sold_out"
    LIMIT = "limit"
    POINTS = "points"


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a member has a reward: at all, and within its window."""

    total: int = 0
    within_window: int = 0


def why_not(
    reward: Reward, now: datetime, tier: str, tally: Tally, spendable: int, cost: int
) -> WhyNot | None:
    """What keeps a member of ``tier`` with ``spendable`` points from having the reward for ``cost``
    of them; None for nothing. ``tally`` counts those the member has already."""
    terms = reward.terms
    if reward.archived:
        return WhyNot.ARCHIVED
    if not terms.enabled:
        return WhyNot.DISABLED
    if terms.starts_at is not None and now < terms.starts_at:
        return WhyNot.NOT_STARTED
    if terms.ends_at is not None and terms.ends_at <= now:
        return WhyNot.ENDED
    if terms.tiers and tier not in terms.tiers:
        return WhyNot.TIER
    if terms.stock is not None and reward.taken >= terms.stock:
        return WhyNot.SOLD_OUT
    if terms.per_member is not None and tally.total >= terms.per_member:
        return WhyNot.LIMIT
    if terms.per_window is not None and tally.within_window >= terms.per_window:
        return WhyNot.LIMIT
    return WhyNot.POINTS if spendable < cost else None


def refusal(reason: WhyNot) -> LoyaltyError:
    """The error that tells a member so."""
    match reason:
        case WhyNot.POINTS:
            return InsufficientPoints()
        case WhyNot.LIMIT:
            return LimitReached("This member has had this reward as often as it may be had.")
        case _:
            return RewardUnavailable(f"This reward cannot be had now: {reason}.")


def _in(value: int | None, most: int) -> bool:
    return value is None or 1 <= value <= most


def _is_none(amount: Decimal) -> bool:
    return amount.is_finite() and amount == 0


def _is_product(product_id: str) -> bool:
    return product_id.isascii() and product_id.isdigit() and len(product_id) <= 20


def _is_amount(amount: Decimal, currency: str) -> bool:
    """Whether somebody can pay it: not below 0 and without fractions of the smallest coin."""
    return (
        amount.is_finite()
        and 0 <= amount <= MOST_AMOUNT
        and amount == round(amount, exponent(currency))
    )
