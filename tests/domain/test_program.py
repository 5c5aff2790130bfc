"""The program's settings: the defaults are sound and every mistake is reported with its place."""

from dataclasses import replace
from decimal import Decimal

from domain.points.pos import TillRule
from domain.points.wallet import MAX_ADJUSTMENT
from domain.program import (
    EarnOn,
    PurchaseRule,
    ReferralSettings,
    RefundPolicy,
    SignupRule,
    defaults,
    validate,
)
from domain.rfm.thresholds import Thresholds
from domain.tiers import Tier, TierLadder, TierMetric


def test_the_defaults():
    program = defaults("USD")
    assert validate(program) == []
    assert (program.purchase.points_per_unit, program.signup.points) == (Decimal(1), 200)
    assert (program.earn_on, program.pending_days) == (EarnOn.CREATED, 0)
    assert program.refund_policy is RefundPolicy.UNLIMITED
    assert [(t.name, t.threshold) for t in program.tiers.tiers] == [
        ("Silver", Decimal(100)),
        ("Gold", Decimal(500)),
    ]
    assert program.referral.expiry_days == 30
    assert program.tills.most_points == MAX_ADJUSTMENT
    assert hash(program) == hash(defaults("USD"))


def test_every_mistake_is_reported_with_its_place():
    nan = Decimal("NaN")
    program = replace(
        defaults("dollars"),
        version=0,
        time_zone="../etc/passwd",
        pending_days=91,
        purchase=PurchaseRule(points_per_unit=Decimal(-1), minimum_spend=nan, id=""),
        signup=SignupRule(points=-1, id=""),
        referral=ReferralSettings(
            advocate_points=-1,
            friend_percent=Decimal(101),
            minimum_spend=Decimal(-1),
            expiry_days=0,
        ),
        earns_from="2026-11-20T08:09:03",
        tiers=TierLadder(
            TierMetric.SPEND,
            (
                Tier("Silver", Decimal(100)),
                Tier(" ", Decimal(100)),
                Tier("silver", nan, Decimal(0)),
            ),
        ),
        rfm=Thresholds(recency=(7, 7, 60, -1), monetary=(nan, nan, nan, nan)),
        tills=TillRule(-1),
    )
    assert {problem.pointer for problem in validate(program)} == {
        "/version",
        "/tills/most_points",
        "/currency",
        "/time_zone",
        "/pending_days",
        "/earns_from",
        "/purchase/points_per_unit",
        "/purchase/minimum_spend",
        "/purchase/id",
        "/signup/points",
        "/signup/id",
        "/referral/advocate_points",
        "/referral/friend_percent",
        "/referral/minimum_spend",
        "/referral/expiry_days",
        "/tiers/tiers/1/name",
        "/tiers/tiers/1/threshold",
        "/tiers/tiers/2/name",
        "/tiers/tiers/2/threshold",
        "/tiers/tiers/2/multiplier",
        "/rfm/recency/1",
        "/rfm/recency/3",
        "/rfm/recency",
        "/rfm/monetary",
    }


def test_better_scores_need_more_orders_and_more_money():
    program = replace(
        defaults("USD"),
        rfm=Thresholds(
            frequency=(10, 10, 4, 2),
            monetary=(Decimal(1), Decimal(2), Decimal(1), Decimal(0)),
        ),
    )
    assert {p.pointer for p in validate(program)} == {"/rfm/frequency/1", "/rfm/monetary/1"}
