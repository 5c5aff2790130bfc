"""A dry run says what is earned, and of every rule what it did or why it did nothing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.points.bonus import Bonus, Buyer, Goods, OrderLine, Overlap, Why
from domain.points.earning import purchase_points
from domain.points.explaining import Refusal, explain
from domain.program import EarnOn, PurchaseRule
from tests.domain.shop import NOW, USD, order

SHOES = OrderLine("p1", Decimal(60), tags=("shoes",))
CARD = OrderLine("p2", Decimal(40), tags=("no-points",))
BOTH = order("100", lines=(SHOES, CARD), financial_status="paid")
PROGRAM = replace(
    USD,
    purchase=PurchaseRule(excluded=Goods(tags=("no-points",))),
    bonuses=(
        Bonus("shoes", Decimal(3), Goods(tags=("shoes",))),
        Bonus("gold", Decimal(2), tiers=("Gold",)),
    ),
)


def test_each_rule_says_what_it_did():
    found = explain(PROGRAM, BOTH, Buyer("Silver"))
    assert (found.points, found.refusal) == (180, None)
    assert [(each.bonus.id, each.why_not) for each in found.bonuses] == [
        ("shoes", None),
        ("gold", Why.OTHER_TIER),
    ]
    assert [(line.counted, line.excluded, line.factor) for line in found.lines] == [
        (Decimal(60), False, Decimal(3)),
        (Decimal(0), True, Decimal(1)),
    ]
    stacked = replace(PROGRAM, overlap=Overlap.STACK)
    gold = explain(stacked, BOTH, Buyer("Gold"))
    assert [each.bonus.id for each in gold.bonuses] == ["shoes", "gold", "tier:Gold"]
    assert gold.points == 540 == purchase_points(stacked, BOTH, Buyer("Gold")).points


@pytest.mark.parametrize(
    ("changes", "facts", "refusal"),
    [
        ({"purchase": PurchaseRule(enabled=False)}, {}, Refusal.DISABLED),
        ({}, {"test": True}, Refusal.TEST_ORDER),
        ({"earns_from": (NOW + timedelta(seconds=1)).isoformat()}, {}, Refusal.HISTORY),
        ({}, {"cancelled_at": NOW}, Refusal.CANCELLED),
        ({"earn_on": EarnOn.FULFILLED}, {}, Refusal.NOT_YET),
        ({"earn_on": EarnOn.PAID}, {"financial_status": "pending"}, Refusal.NOT_YET),
        ({"purchase": PurchaseRule(minimum_spend=Decimal(101))}, {}, Refusal.BELOW_MINIMUM),
        (
            {"purchase": PurchaseRule(points_per_unit=Decimal("0.001"))},
            {},
            Refusal.LESS_THAN_A_POINT,
        ),
    ],
)
def test_what_earns_nothing_says_why(changes, facts, refusal):
    told = order("100", **({"financial_status": "paid"} | facts))
    found = explain(replace(USD, **changes), told, Buyer())
    assert (found.points, found.refusal) == (0, refusal)
