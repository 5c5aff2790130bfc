"""Bonuses and exclusions: for whom, when and on what, and which of several holds."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import Rounding
from domain.points.bonus import Bonus, Buyer, Goods, OrderLine, Overlap, Why
from domain.points.earning import RuleSnapshot, judged, purchase_points
from domain.points.orders import with_goods_of
from domain.program import EarnOn, PurchaseRule, SpendRule, validate
from domain.tiers import Tier, TierLadder, TierMetric
from tests.domain.shop import NOW, USD, net, order, refund, replay

SHOES = OrderLine("p1", Decimal(60), tags=("Shoes", "sale"), collections=("71", "72"))
SOCKS = OrderLine("p2", Decimal(10), tags=("socks",))
BOTH = order("70", lines=(SHOES, SOCKS))
COLLECTIONS = {"p1": ("71", "72"), "p2": ("72",), "p3": ()}
ON = {
    "all": Goods(),
    "p1": Goods(products=("p1",)),
    "p2": Goods(products=("p2",)),
    "71": Goods(collections=("71",)),
    "72": Goods(collections=("72", "79")),
}
DAY = timedelta(days=1)
TODAY = NOW.date()
PLAIN = replace(USD, tiers=TierLadder(TierMetric.SPEND, ()))


def bonus(factor="2", name="b", **more) -> Bonus:
    return Bonus(name, Decimal(factor), **more)


def points(facts, *bonuses, overlap=Overlap.BEST, **rule):
    program = replace(PLAIN, bonuses=bonuses, overlap=overlap, purchase=PurchaseRule(**rule))
    return purchase_points(program, facts).points


@pytest.mark.parametrize(
    ("goods", "expected"),
    [
        (Goods(), 140),
        (Goods(products=("p1",)), 130),
        (Goods(products=("p2", "p9")), 80),
        (Goods(tags=("SHOES",)), 130),
        (Goods(tags=("sock",)), 70),
        (Goods(products=("p2",), tags=("sale",)), 140),
        (Goods(collections=("70", "72")), 130),
        (Goods(collections=("7",)), 70),
        (Goods(products=("p2",), collections=("71",)), 140),
    ],
)
def test_a_bonus_holds_for_its_goods(goods, expected):
    assert points(BOTH, bonus(goods=goods)) == expected


def test_excluded_goods_neither_earn_nor_count_as_spend():
    socks = Goods(tags=("socks",))
    assert points(BOTH, excluded=socks) == 60
    assert points(BOTH, excluded=socks, minimum_spend=Decimal(61)) == 0
    assert points(BOTH, bonus(goods=socks), excluded=socks) == 60
    assert points(BOTH, excluded=Goods(collections=("71",))) == 10


def test_fixed_points_are_given_for_the_order():
    assert points(BOTH, fixed_points=25) == 25
    assert points(BOTH, bonus("1.5"), fixed_points=25) == 37
    assert points(BOTH, bonus(goods=Goods(products=("p1",))), fixed_points=25) == 25
    assert points(BOTH, fixed_points=25, minimum_spend=Decimal(71)) == 0


def test_the_best_bonus_holds_on_each_line_or_they_stack():
    everywhere, shoes = bonus("1.5", "all"), bonus("3", "shoes", goods=Goods(products=("p1",)))
    assert points(BOTH, everywhere, shoes) == 180 + 15
    assert points(BOTH, everywhere, shoes, overlap=Overlap.STACK) == 270 + 15


def test_tiers_multiply_what_their_members_buy():
    assert purchase_points(USD, order("10.00"), Buyer(tier="Gold")).points == 15
    assert purchase_points(USD, order("10.00"), Buyer(tier="Silver")).points == 10
    program = replace(USD, bonuses=(bonus("2"),), overlap=Overlap.STACK)
    assert purchase_points(program, order("10.00"), Buyer(tier="Gold")).points == 30


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"enabled": False}, Why.DISABLED),
        ({"first_day": TODAY + DAY}, Why.NOT_STARTED),
        ({"last_day": TODAY - DAY}, Why.OVER),
        ({"minimum_spend": Decimal("70.01")}, Why.BELOW_MINIMUM),
        ({"tiers": ("Gold",)}, Why.OTHER_TIER),
        ({"segments": ("champions",)}, Why.OTHER_SEGMENT),
        ({"goods": Goods(products=("p9",))}, Why.OTHER_GOODS),
        ({"factor": "1.2"}, Why.OUTDONE),
        ({"first_day": TODAY, "last_day": TODAY, "factor": "9"}, None),
        ({"goods": Goods(products=("p2",)), "factor": "1.5"}, Why.OUTDONE),
    ],
)
def test_every_bonus_says_why_it_does_not_hold(more, why):
    asked = bonus(**({"name": "asked"} | more))
    program = replace(PLAIN, bonuses=(bonus("1.5", "other"), asked))
    (_, found) = judged(program, BOTH, Buyer("Silver", "new"))
    assert (found.bonus, found.why_not) == (asked, why)


def test_the_days_of_a_bonus_are_the_shops():
    late = replace(BOTH, created_at=NOW.replace(hour=3))  # the evening before in New York
    program = replace(PLAIN, bonuses=(bonus(first_day=TODAY),))
    assert purchase_points(program, late).points == 140
    assert purchase_points(replace(program, time_zone="America/New_York"), late).points == 70


def test_what_holds_for_nobody_changes_nothing_and_what_holds_is_in_the_snapshot():
    shoes = bonus(goods=Goods(tags=("shoes",)), first_day=TODAY, tiers=("Silver",))
    program = replace(USD, bonuses=(shoes, bonus(name="other", segments=("lost",))))
    snapshot = purchase_points(program, BOTH, Buyer("Silver", "new")).snapshot
    assert [each.id for each in snapshot.bonuses] == ["b"]
    assert RuleSnapshot.from_dict(snapshot.to_dict()).points == 130


def test_a_discount_on_the_whole_order_is_shared_out_among_its_lines():
    cheaper = order("63", lines=(SHOES, SOCKS))  # 10 % off
    assert points(cheaper, bonus(goods=Goods(products=("p1",)))) == 54 * 2 + 9


def test_shipping_and_tax_take_the_bonuses_on_everything_alone():
    facts = replace(BOTH, shipping=Decimal(10))
    program = replace(PLAIN, spend=SpendRule(include_shipping=True))
    for goods, expected in ((Goods(), 160), (Goods(products=("p1",)), 140)):
        asked = replace(program, bonuses=(bonus(goods=goods),))
        assert purchase_points(asked, facts).points == expected


def test_an_edited_order_is_priced_by_the_bonuses_of_the_day():
    program = replace(PLAIN, bonuses=(bonus(goods=Goods(products=("p1",))),))
    dearer = order("80", at=1, lines=(SHOES, SOCKS._replace(amount=Decimal(20))))
    ledger = replay([BOTH, dearer], program)
    assert [entry.points for entry in ledger] == [130, 10]
    # Without the bonus, and told by somebody who does not say what was bought.
    assert net(replay([BOTH, refund("r1", "70")], program)) == 0


def test_a_snapshot_without_collections_is_what_it_was_before_there_were_any():
    found = purchase_points(replace(PLAIN, bonuses=(bonus(goods=Goods(tags=("sale",))),)), BOTH)
    stored = found.snapshot.to_dict()
    assert stored["bonuses"] == [{"id": "b", "factor": "2", "goods": {"tags": ["sale"]}}]
    assert RuleSnapshot.from_dict(stored).bonuses[0].goods == Goods(tags=("sale",))


def test_what_an_order_has_earned_by_does_not_change_with_the_catalogue():
    moved = order(
        "90",
        lines=(
            SHOES._replace(amount=Decimal(70), tags=(), collections=()),
            SOCKS._replace(collections=("72",)),
            OrderLine("p3", Decimal(10), tags=("new",)),
        ),
    )
    kept = with_goods_of(moved, BOTH)
    assert [(line.amount, line.tags, line.collections) for line in kept.lines] == [
        (Decimal(70), SHOES.tags, SHOES.collections),
        (Decimal(10), SOCKS.tags, ()),
        (Decimal(10), ("new",), ()),
    ]
    assert with_goods_of(kept, BOTH) == kept
    assert with_goods_of(order("90"), BOTH) == order("90")


def test_the_collections_that_a_program_names():
    program = replace(
        PLAIN,
        purchase=PurchaseRule(excluded=Goods(collections=("1", "2"))),
        bonuses=(bonus(goods=Goods(collections=("2", "3"))), bonus(name="c", enabled=False)),
    )
    assert program.collections == {"1", "2", "3"}
    assert program.by_goods
    assert PLAIN.collections == frozenset()


def test_earning_can_wait_until_all_is_sent():
    program = replace(USD, earn_on=EarnOn.FULFILLED)
    assert replay([order(financial_status="paid")], program) == []
    assert net(replay([order(), order(at=1, fulfilled_at=NOW)], program)) == 15


@given(
    lines=st.lists(
        st.tuples(st.sampled_from(("p1", "p2", "p3")), st.decimals(0, 500, places=2)), max_size=5
    ),
    factors=st.lists(
        st.tuples(st.sampled_from(("1.1", "2", "0.5")), st.sampled_from(tuple(ON))),
        max_size=4,
    ),
    overlap=st.sampled_from(Overlap),
    off=st.sampled_from((0, 0, 10, 90)),
)
def test_the_sum_of_the_lines_is_what_is_earned(lines, factors, overlap, off):
    """Each line times its bonuses, added up by hand; and the stored snapshot says the same."""
    total = sum((amount for _, amount in lines), Decimal(0))
    merchandise = (total * (100 - off) / 100).quantize(Decimal("0.01"))
    told = tuple(OrderLine(name, amount, (), COLLECTIONS[name]) for name, amount in lines)
    facts = order(merchandise, lines=told)
    bonuses = tuple(bonus(factor, f"b{n}", goods=ON[on]) for n, (factor, on) in enumerate(factors))
    program = replace(
        PLAIN,
        bonuses=bonuses,
        overlap=overlap,
        purchase=PurchaseRule(points_per_unit=Decimal(100), rounding=Rounding.DOWN),
    )
    earned = purchase_points(program, facts)
    by_hand = Decimal(0)
    for name, amount in lines:
        known = ("all", name, *COLLECTIONS[name])
        holding = [Decimal(factor) for factor, on in factors if on in known]
        if overlap is Overlap.BEST:
            by_hand += amount * max(holding, default=Decimal(1))
        else:
            by_hand += amount * prod(holding, start=Decimal(1))
    if not off:
        assert earned.points == int(by_hand * 100)
    elif len(lines) == 1:  # a discount is shared out to the cent, so several lines may differ by it
        share = merchandise / total if total else 0
        assert abs(earned.points - by_hand * share * 100) < 1
    stored = RuleSnapshot.from_dict(earned.snapshot.to_dict())
    assert stored.to_dict() == earned.snapshot.to_dict()


def test_every_mistake_in_a_bonus_is_reported_with_its_place():
    program = replace(
        USD,
        purchase=PurchaseRule(fixed_points=-1, excluded=Goods(tags=(" ",))),
        bonuses=(
            bonus(),
            bonus("101", tiers=("Platinum",), segments=("nobody",)),
            bonus(name="c", goods=Goods(collections=("71", "gid://shopify/Collection/7"))),
            bonus(name="d", goods=Goods(collections=tuple(str(n) for n in range(251)))),
            bonus(
                "-1", "tier:x", minimum_spend=Decimal(-1), first_day=TODAY,
                last_day=TODAY - DAY, goods=Goods(products=("",)),
            ),
        ),
    )  # fmt: skip
    assert {problem.pointer for problem in validate(program)} == {
        "/purchase/fixed_points",
        "/purchase/excluded/tags",
        "/bonuses/1/id",
        "/bonuses/1/factor",
        "/bonuses/1/tiers/0",
        "/bonuses/1/segments/0",
        "/bonuses/2/goods/collections",
        "/bonuses/3/goods/collections",
        "/bonuses",  # more collections than a program may name in all
        "/bonuses/4/id",
        "/bonuses/4/factor",
        "/bonuses/4/minimum_spend",
        "/bonuses/4/last_day",
        "/bonuses/4/goods/products",
    }


def test_a_ladder_of_its_own_names_its_tiers():
    ladder = TierLadder(TierMetric.SPEND, (Tier("Friend", Decimal(1), Decimal(2)),))
    program = replace(USD, tiers=ladder)
    assert program.by_member
    assert not PLAIN.by_member
    assert purchase_points(program, order("10.00"), Buyer("Friend")).points == 20
