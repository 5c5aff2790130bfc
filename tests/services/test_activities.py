"""Activities without servers: who may report what, how often it counts, what a limit leaves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from adapters.memory.units import MemoryUnits
from contracts.activities import ActivityEarned, EarnPoints
from contracts.caller import Audience, Caller
from contracts.shop import Order, Refund, member_id
from domain.errors import InvalidRequest, LimitReached, NotFound
from domain.merging import ToldMerge
from domain.points.activities import (
    ActivityDisabled,
    ActivityNotForTier,
    ActivityRule,
    NotSelfService,
    ReferenceUsed,
    UnknownActivity,
)
from domain.points.bonus import Buyer
from domain.points.earning_limits import EarningLimit, Every
from domain.program import ProgramSettings, PurchaseRule, defaults
from ports.earning import BuyerFacts, BuyerKey
from ports.ledger import WalletKey
from services.points.activities import earn
from services.points.earning import apply_shop_events
from tests.services.given import CountingIds, StandingClock
from tests.services.test_points import SHOP, order, received

STAFF = Caller(audience=Audience.MERCHANT, actor="staff", merchant_id=SHOP)


class Shop:
    """Members who are known, a program, and short words for what they do."""

    def __init__(self, *rules: ActivityRule, **program: Any) -> None:
        self.clock = StandingClock()
        self.clock.at = datetime(2026, 6, 1, 12, tzinfo=UTC)
        self.units: MemoryUnits[Any] = MemoryUnits(MemoryLedger, self.clock, CountingIds())
        self.program = replace(defaults("USD"), version=2, **program)
        if rules:
            self.program = replace(self.program, activities=rules)

    async def opens(self) -> "Shop":
        async with self.units() as unit:
            await unit.stores.learn_programs({SHOP: self.program})
            await unit.stores.learn_buyers(
                {
                    BuyerKey(SHOP, member_id(SHOP, name)): BuyerFacts(Buyer(tier=tier), 1)
                    for name, tier in (("c1", ""), ("c2", ""), ("gold", "Gold"))
                }
            )
        return self

    async def runs_on(self, program: ProgramSettings) -> None:
        self.program = replace(program, version=self.program.version + 1)
        async with self.units() as unit:
            await unit.stores.learn_programs({SHOP: self.program})

    async def earn(
        self, reference: str, activity: str = "review", who: str = "c1", caller: Caller = STAFF
    ) -> ActivityEarned:
        asked = EarnPoints(shopify_customer_id=who, activity=activity, reference=reference)
        async with self.units() as unit:
            return await earn(unit, caller, asked)

    async def happen(self, *bodies: Any) -> None:
        async with self.units() as unit:
            await apply_shop_events(unit, [received(body) for body in bodies])

    async def points(self, who: str = "c1") -> int:
        async with self.units() as unit:
            wallet = await unit.stores.wallet(WalletKey(SHOP, member_id(SHOP, who)))
        return 0 if wallet is None else wallet.spendable


async def test_a_reference_counts_once_whatever_becomes_of_the_rule() -> None:
    shop = await Shop().opens()
    first = await shop.earn("r1")
    assert (first.points, first.repeated) == (100, False)
    await shop.runs_on(replace(shop.program, activities=()))
    again = await shop.earn("r1")
    assert again == ActivityEarned(
        entry_id=first.entry_id, activity="review", points=100,
        occurred_at=first.occurred_at, repeated=True,
    )  # fmt: skip
    assert await shop.points() == 100
    with pytest.raises(ReferenceUsed):
        await shop.earn("r1", who="c2")
    assert await shop.points("c2") == 0


@pytest.mark.parametrize(
    ("rule", "activity", "who", "refusal"),
    [
        (ActivityRule("follow", "Follow", 10), "review", "c1", UnknownActivity),
        (ActivityRule("follow", "Follow", 10, enabled=False), "follow", "c1", ActivityDisabled),
        (ActivityRule("follow", "Follow", 10, tiers=("Gold",)), "follow", "c1", ActivityNotForTier),
        (ActivityRule("follow", "Follow", 10), "follow", "stranger", NotFound),
        (ActivityRule("follow", "Follow", 10), "follow" * 20, "c1", InvalidRequest),
    ],
)
async def test_what_gives_nothing_says_why(
    rule: ActivityRule, activity: str, who: str, refusal: type[Exception]
) -> None:
    shop = await Shop(rule).opens()
    with pytest.raises(refusal):
        await shop.earn("x", activity, who)
    assert shop.units.said == []


async def test_members_report_only_what_the_shop_lets_them() -> None:
    own = ActivityRule(
        "social:follow", "Follow", 10, limits=(EarningLimit(Every.LIFETIME, times=1),),
        self_service=True,
    )  # fmt: skip
    shop = await Shop(own, ActivityRule("review", "Review", 100)).opens()
    me = Caller(
        audience=Audience.CUSTOMER, actor="c1", merchant_id=SHOP, customer_id=member_id(SHOP, "c1")
    )
    with pytest.raises(NotSelfService):
        await shop.earn("r1", caller=me)
    assert (await shop.earn("f", "social:follow", who="c2", caller=me)).points == 10
    assert (await shop.points("c1"), await shop.points("c2")) == (10, 0)


async def test_tiers_that_may() -> None:
    shop = await Shop(ActivityRule("review", "Review", 100, tiers=("Gold",))).opens()
    assert (await shop.earn("r1", who="gold")).points == 100


async def test_a_limit_gives_what_it_leaves_and_then_says_until_when() -> None:
    limits = (EarningLimit(Every.DAY, points=250), EarningLimit(Every.MONTH, times=4))
    shop = await Shop(
        ActivityRule("review", "Review", 100, limits=limits), time_zone="America/New_York"
    ).opens()
    assert [(await shop.earn(f"r{n}")).points for n in range(3)] == [100, 100, 50]
    with pytest.raises(LimitReached) as refused:
        await shop.earn("r3")
    assert refused.value.detail == (
        "The limit is reached until 2026-06-02T04:00:00+00:00: at most 250 points in a day."
    )
    assert (await shop.earn("r1")).repeated
    shop.clock.at = datetime(2026, 6, 2, 3, 59, tzinfo=UTC)  # the same day in New York
    with pytest.raises(LimitReached):
        await shop.earn("r3")
    shop.clock.at = datetime(2026, 6, 2, 4, tzinfo=UTC)
    assert (await shop.earn("r3")).points == 100
    with pytest.raises(LimitReached) as refused:
        await shop.earn("r4")
    assert "until 2026-07-01T04:00:00+00:00: at most 4 times in a month" in refused.value.detail
    assert (await shop.earn("r4", who="c2")).points == 100  # each member has their own


LIMIT = EarningLimit(Every.DAY, points=100)
LIMITED = PurchaseRule(limits=(LIMIT,))


async def test_orders_of_a_day_earn_as_much_as_the_limit_and_later_days_anew() -> None:
    shop = await Shop(purchase=LIMITED).opens()
    await shop.happen(order(order_id="o1", subtotal=Decimal(70)))
    await shop.happen(
        order(order_id="o2", subtotal=Decimal(70)), order(order_id="o3", subtotal=Decimal(70))
    )
    assert await shop.points() == 100
    late = datetime(2026, 5, 2, 12, tzinfo=UTC)
    await shop.happen(order(order_id="o4", created_at=late, updated_at=late, subtotal=Decimal(70)))
    assert await shop.points() == 170
    # News of an order that the limit left nothing to, on a day that has room: its own has none.
    await shop.happen(order(order_id="o3", updated_at=late, subtotal=Decimal(70)))
    assert await shop.points() == 170


async def test_what_a_limit_cut_is_given_back_in_proportion() -> None:
    """70 of a room of 30; the refund of half the goods takes half of what was given."""
    shop = await Shop(purchase=LIMITED).opens()
    await shop.happen(order(order_id="o1", subtotal=Decimal(70)))
    await shop.happen(order(order_id="o2", subtotal=Decimal(70)))
    assert await shop.points() == 100
    at = datetime(2026, 5, 3, tzinfo=UTC)
    halves = [
        Refund(refund_id=f"r{n}", order_id="o2", created_at=at, merchandise=Decimal(35))
        for n in range(2)
    ]
    await shop.happen(halves[0])
    assert await shop.points() == 85
    await shop.happen(halves[1])
    assert await shop.points() == 70


async def test_an_edit_passes_no_limit_and_brings_no_more_than_there_was_room_for() -> None:
    shop = await Shop(purchase=LIMITED).opens()
    later = datetime(2026, 5, 4, tzinfo=UTC)
    await shop.happen(order(order_id="o1", subtotal=Decimal(50)))
    await shop.happen(order(order_id="o2", subtotal=Decimal(30)))
    await shop.happen(order(order_id="o1", subtotal=Decimal(500), updated_at=later))
    assert await shop.points() == 100
    # Nor does it bring more once the limit is another: it has earned by the terms it came with.
    await shop.runs_on(replace(shop.program, purchase=PurchaseRule()))
    await shop.happen(order(order_id="o1", subtotal=Decimal(501), updated_at=later.replace(hour=1)))
    assert await shop.points() == 130  # of the 100 that there was room for when it earned


async def test_two_who_are_one_share_their_limits_in_one_batch_too() -> None:
    """Whichever of the two ids an order names, and whichever days the others are of."""
    shop = await Shop(purchase=LIMITED).opens()
    await shop.happen(order("c2", order_id="o1"))
    async with shop.units() as unit:
        merge = ToldMerge(member_id(SHOP, "c1"), member_id(SHOP, "c2"), 1)
        await unit.stores.merge(SHOP, [merge])
    for number, days in enumerate(permutations((2, 3))):
        at = [datetime(2026, 5, day + 2 * number, 12, tzinfo=UTC) for day in days]
        await shop.happen(
            order("c1", order_id=f"again{number}"),
            *(
                order(who, order_id=f"{who}{number}{n}", created_at=each, updated_at=each)
                for n, each in enumerate(at)
                for who in ("c1", "c2")
            ),
        )
        assert await shop.points("c2") == 100 + 200 * (number + 1)


orders = st.lists(
    st.tuples(
        st.sampled_from(["o1", "o2", "o3", "o4"]), st.integers(0, 3), st.integers(0, 150),
        st.sampled_from(["c1", "c2"]),
    ),
    max_size=12,
)  # fmt: skip


@given(orders, st.integers(1, 4))
async def test_orders_and_their_edits_never_pass_a_limit(
    told: Sequence[tuple[str, int, int, str]], at_once: int
) -> None:
    """One batch or several, the same order again and again, edited up and down."""
    shop = await Shop(purchase=LIMITED).opens()
    bodies: list[Order] = []
    for number, (name, day, amount, who) in enumerate(told):
        at = datetime(2026, 5, 1 + int(name[1]) % 3, 12, tzinfo=UTC)
        changed = at.replace(hour=13, minute=number, second=day)
        bodies.append(
            order(who if name in ("o1", "o2") else "c1", order_id=name, created_at=at,
                  updated_at=changed, subtotal=Decimal(amount))
        )  # fmt: skip
    for begin in range(0, len(bodies), at_once):
        await shop.happen(*bodies[begin : begin + at_once])
        by_day: dict[tuple[UUID, int], int] = {}
        for entry in shop.units.stores._entries:
            key = (entry.wallet.customer_id, 1 + int(entry.draft.order_id[1]) % 3)
            by_day[key] = by_day.get(key, 0) + entry.draft.points
        assert all(0 <= points <= 100 for points in by_day.values())
