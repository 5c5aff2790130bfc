"""Points without servers: what orders, refunds and staff do to a wallet."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from contracts import points, shop
from contracts.caller import Audience, Caller, service_caller
from contracts.core import CUSTOMER_UPDATED, SETTINGS_UPDATED, CustomerChanged, SettingsUpdated
from contracts.kit import Body, Event
from contracts.points import BalanceOf, ExplainLine, ExplainPurchase
from contracts.products import PRODUCT_COLLECTIONS, ProductCollections
from contracts.referrals import REFERRAL_COMPLETED, ReferralChanged
from contracts.shop import (
    CustomerRecord,
    Line,
    Order,
    OrderCustomer,
    Product,
    ProductGone,
    Refund,
    member_id,
)
from domain.errors import InvalidRequest, NotFound
from domain.points.bonus import Bonus, Buyer, Goods
from domain.points.wallet import InsufficientPoints
from domain.program import EarnOn, ProgramSettings, RefundPolicy, defaults
from ports.earning import BuyerFacts, BuyerKey
from ports.events import Received
from services.points.account import Accounts, adjust
from services.points.earning import apply_mesh_events, apply_shop_events, release_matured
from services.points.explaining import Explainer
from services.points.pooling import Sharing
from tests.services.given import CountingIds, StandingClock

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
SHOP = UUID(int=77)


class Points:
    """The service on fakes, and short words for what happens to it."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.units: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, self.clock, CountingIds())
        self.accounts = Accounts(self.units, Sharing(self.units, self.units))
        self.staff = Caller(audience=Audience.MERCHANT, actor="staff", merchant_id=SHOP)

    async def happen(self, *bodies: Body) -> None:
        async with self.units() as unit:
            await apply_shop_events(unit, [received(body) for body in bodies])

    async def runs_on(self, settings: ProgramSettings) -> None:
        await self.hear(SettingsUpdated(settings=settings))

    async def hear(self, *bodies: Body) -> None:
        async with self.units() as unit:
            await apply_mesh_events(unit, [received(body) for body in bodies])

    async def balance(self, customer: str = "c1") -> tuple[int, int]:
        found = await self.accounts.balance(self.staff, BalanceOf(shopify_customer_id=customer))
        return found.spendable, found.pending


EVENTS: dict[type[Body], Event[Body]] = {
    Order: shop.ORDER_CREATED,
    Refund: shop.REFUND_CREATED,
    CustomerRecord: shop.CUSTOMER_CREATED,
    SettingsUpdated: SETTINGS_UPDATED,
    ReferralChanged: REFERRAL_COMPLETED,
    CustomerChanged: CUSTOMER_UPDATED,
    ProductCollections: PRODUCT_COLLECTIONS,
    Product: shop.PRODUCT_UPDATED,
    ProductGone: shop.PRODUCT_DELETED,
}


def received(body: Body) -> Received[Any]:
    return Received(str(uuid4()), EVENTS[type(body)], body, SHOP, AT)


def order(customer: str | None = "c1", **changes: Any) -> Order:
    base = Order(
        order_id="o1", number="#1", currency="USD", test=False, source="web",
        financial_status="paid", created_at=AT, updated_at=AT, processed_at=AT,
        subtotal=Decimal(100), shipping=Decimal(10), tax=Decimal(0), total=Decimal(110),
        customer=None if customer is None else OrderCustomer(
            customer_id=member_id(SHOP, customer), shopify_customer_id=customer
        ),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def refund(amount: str, refund_id: str = "r1") -> Refund:
    return Refund(refund_id=refund_id, order_id="o1", created_at=AT, merchandise=Decimal(amount))


async def test_a_guest_and_a_test_order_earn_nothing() -> None:
    service = Points()
    await service.happen(order(None), order(order_id="o2", test=True))
    with pytest.raises(NotFound):
        await service.balance()
    assert service.units.said == []


async def test_a_guest_order_that_gets_a_customer_earns_then() -> None:
    service = Points()
    await service.happen(order(None))
    await service.happen(order(updated_at=AT.replace(hour=13)))
    assert await service.balance() == (100, 0)


@pytest.mark.parametrize("arrival", list(permutations(range(4))))
async def test_any_order_of_arrival_ends_the_same(arrival: Sequence[int]) -> None:
    service = Points()
    told: list[Body] = [order(), order(), refund("30"), refund("20", "r2")]
    for index in arrival:
        await service.happen(told[index])
    assert await service.balance() == (50, 0)
    together = Points()
    await together.happen(*[told[index] for index in arrival])
    assert await together.balance() == (50, 0)


async def test_a_signup_earns_once() -> None:
    service = Points()
    record = CustomerRecord(
        customer_id=member_id(SHOP, "c1"), shopify_customer_id="c1", created_at=AT, updated_at=AT
    )
    await service.happen(record, record)
    await service.happen(record)
    assert await service.balance() == (200, 0)
    assert [each.subject for each in service.units.said] == [points.EARNED.subject(SHOP)]


async def test_pending_points_are_released_when_their_time_has_come() -> None:
    service = Points()
    await service.runs_on(replace(defaults("USD"), version=2, pending_days=14))
    await service.happen(order())
    assert await service.balance() == (0, 100)
    await service.happen(refund("40"))
    assert await service.balance() == (0, 60)
    service.clock.advance(days=13)
    await release_matured(service.units)
    assert await service.balance() == (0, 60)
    service.clock.advance(days=1)
    await release_matured(service.units)
    await release_matured(service.units)
    assert await service.balance() == (60, 0)
    await service.happen(refund("60", "r2"))
    assert await service.balance() == (0, 0)


async def test_claw_backs_stop_at_zero_over_the_whole_batch() -> None:
    service = Points()
    policy = RefundPolicy.WITHIN_BALANCE
    await service.runs_on(replace(defaults("USD"), version=2, refund_policy=policy))
    second = order(order_id="o2")
    await service.happen(order(), second)
    spend = points.Adjust(customer_id=member_id(SHOP, "c1"), points=-150, reason="spent")
    async with service.units() as unit:
        await adjust(unit, service.staff, spend)
    cancelled_at = AT.replace(hour=15)
    await service.happen(
        order(cancelled_at=cancelled_at, updated_at=cancelled_at),
        msgspec.structs.replace(second, cancelled_at=cancelled_at, updated_at=cancelled_at),
    )
    assert await service.balance() == (0, 0)


async def test_what_is_taken_back_is_taken_from_whoever_got_it() -> None:
    service = Points()
    await service.happen(order())
    later = AT.replace(hour=18)
    await service.happen(order("c2", updated_at=later, cancelled_at=later))
    assert await service.balance("c1") == (0, 0)
    with pytest.raises(NotFound):
        await service.balance("c2")


async def test_an_old_program_does_not_replace_a_newer() -> None:
    service = Points()
    dear = replace(defaults("USD").purchase, points_per_unit=Decimal(3))
    await service.runs_on(replace(defaults("USD"), version=3, purchase=dear))
    await service.runs_on(replace(defaults("USD"), version=2))
    await service.happen(order())
    assert await service.balance() == (300, 0)


async def test_a_completed_referral_rewards_both_sides_once() -> None:
    service = Points()
    done = ReferralChanged(
        referral_id=uuid4(), advocate_id=member_id(SHOP, "c1"), friend_id=member_id(SHOP, "c2"),
        state="completed", advocate_points=50, friend_points=20, occurred_at=AT,
    )  # fmt: skip
    for _ in range(2):
        async with service.units() as unit:
            await apply_mesh_events(unit, [received(done)])
    assert (await service.balance("c1"), await service.balance("c2")) == ((50, 0), (20, 0))


@pytest.mark.parametrize(
    ("amount", "reason", "refusal"),
    [(-1, "spent", InsufficientPoints), (5, "  ", InvalidRequest), (5, "x" * 201, InvalidRequest)],
)
async def test_an_adjustment_that_makes_no_sense_changes_nothing(
    amount: int, reason: str, refusal: type[Exception]
) -> None:
    service = Points()
    request = points.Adjust(customer_id=uuid4(), points=amount, reason=reason)
    async with service.units() as unit:
        with pytest.raises(refusal):
            await adjust(unit, service_caller("test", SHOP), request)
    assert service.units.said == []


async def test_nobody_is_given_points_whom_the_shop_does_not_have() -> None:
    service = Points()
    request = points.Adjust(customer_id=member_id(SHOP, "c1"), points=5, reason="sorry")
    async with service.units() as unit:
        with pytest.raises(NotFound):
            await adjust(unit, service.staff, request)
    assert service.units.said == []
    # Who has points already, and who is known to the shop, though they have none yet.
    await service.happen(order(order_id="o1"))
    async with service.units() as unit:
        await adjust(unit, service.staff, request)
        new = BuyerKey(SHOP, uuid4())
        await unit.stores.learn_buyers({new: BuyerFacts(Buyer("", ""), 1)})
        gift = points.Adjust(customer_id=new.customer_id, points=5, reason="welcome")
        given = await adjust(unit, service.staff, gift)
    assert given.balance.spendable == 5


async def test_history_pages_newest_first_and_ends() -> None:
    service = Points()
    for number in range(5):
        await service.happen(order(order_id=f"o{number}"))
    seen: list[str] = []
    cursor = None
    while True:
        page = await service.accounts.history(
            service.staff, points.HistoryOf(shopify_customer_id="c1", limit=2, cursor=cursor)
        )
        seen += [entry.source_ref for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["o4", "o3", "o2", "o1", "o0"]
    with pytest.raises(InvalidRequest) as caught:
        await service.accounts.history(
            service.staff,
            points.HistoryOf(shopify_customer_id="c1", limit=0, cursor="nonsense"),
        )
    assert {each.pointer for each in caught.value.problems} == {"/limit", "/cursor"}


async def test_a_member_is_named_by_exactly_one_id() -> None:
    service = Points()
    for wrong in (BalanceOf(), BalanceOf(customer_id=uuid4(), shopify_customer_id="c1")):
        with pytest.raises(InvalidRequest):
            await service.accounts.balance(service.staff, wrong)


def line(product: str, amount: int, *, gift_card: bool = False) -> Line:
    price = Decimal(amount)
    return Line(
        line_id=product, product_id=product, quantity=1, price=price, total=price,
        gift_card=gift_card,
    )  # fmt: skip


def standing(tier: str, version: int, customer: str = "c1") -> CustomerChanged:
    return CustomerChanged(
        customer_id=member_id(SHOP, customer), tier=tier, version=version, occurred_at=AT
    )


async def test_a_tier_multiplies_what_is_bought_from_then_on() -> None:
    service = Points()
    await service.happen(order())
    await service.hear(standing("Gold", 2), standing("Silver", 1))
    await service.happen(order(order_id="o2"), order(order_id="o1"))
    assert await service.balance() == (250, 0)
    # What was earned by Gold's terms is taken back by them, whatever the member is now.
    await service.hear(standing("Silver", 3))
    back = msgspec.structs.replace(refund("100"), order_id="o2")
    await service.happen(back, order(order_id="o3"))
    assert await service.balance() == (200, 0)


async def test_goods_with_a_tag_earn_more_and_gift_cards_nothing() -> None:
    service = Points()
    shoes = Bonus("shoes", Decimal(2), Goods(tags=("shoes",)))
    await service.runs_on(replace(defaults("USD"), version=2, bonuses=(shoes,)))
    catalogue = Product(product_id="p1", title="", tags=("Shoes",), updated_at=AT)
    old = Product(product_id="p1", title="", updated_at=AT - timedelta(days=1))
    await service.happen(catalogue, old)
    lines = (line("p1", 60), line("p2", 40), line("card", 50, gift_card=True))
    await service.happen(order(lines=lines))
    assert await service.balance() == (160, 0)
    # An edit is priced by the tags and the bonus of the day.
    await service.runs_on(replace(defaults("USD"), version=3))
    await service.happen(
        Product(product_id="p1", title="", tags=(), updated_at=AT + timedelta(minutes=1)),
        Product(product_id="p2", title="", tags=("shoes",), updated_at=AT),
    )
    later = AT + timedelta(hours=1)
    await service.happen(
        order(lines=(line("p1", 100), line("p2", 40)), subtotal=Decimal(140), updated_at=later)
    )
    assert await service.balance() == (240, 0)
    await service.happen(refund("140"))
    assert await service.balance() == (0, 0)


async def test_a_product_that_is_gone_has_no_tags() -> None:
    service = Points()
    shoes = Bonus("shoes", Decimal(2), Goods(tags=("shoes",)))
    await service.runs_on(replace(defaults("USD"), version=2, bonuses=(shoes,)))
    await service.happen(
        ProductGone(product_id="p1"),
        Product(product_id="p1", title="", tags=("shoes",), updated_at=AT - timedelta(days=1)),
        order(lines=(line("p1", 100),)),
    )
    assert await service.balance() == (100, 0)


async def test_a_program_may_wait_until_all_is_sent() -> None:
    service = Points()
    await service.runs_on(replace(defaults("USD"), version=2, earn_on=EarnOn.FULFILLED))
    await service.happen(order())
    assert service.units.said == []
    await service.happen(order(fulfilled=True, updated_at=AT + timedelta(hours=1)))
    assert await service.balance() == (100, 0)


async def test_a_dry_run_says_what_would_be_earned_and_why() -> None:
    service = Points()
    bonuses = (
        Bonus("shoes", Decimal(2), Goods(tags=("shoes",))),
        Bonus("over", Decimal(9), last_day=AT.date()),
        Bonus("winter", Decimal(4), Goods(collections=("71",))),
    )
    await service.runs_on(replace(defaults("USD"), version=2, bonuses=bonuses, pending_days=3))
    await service.happen(Product(product_id="p1", title="", tags=("shoes",), updated_at=AT))
    await service.hear(standing("Gold", 1))
    explain = Explainer(service.units).explain
    lines = (
        ExplainLine(product_id="p1", amount=Decimal(60)),
        ExplainLine(product_id="p1", amount=Decimal(10), tags=()),
        ExplainLine(amount=Decimal(30)),
    )
    found = await explain(service.staff, ExplainPurchase(shopify_customer_id="c1", lines=lines))
    assert (found.points, found.why_not, found.tier, found.pending_days) == (180, "", "Gold", 3)
    assert [(each.id, each.holds, each.why_not) for each in found.bonuses] == [
        ("shoes", True, ""),
        ("over", False, "over"),
        ("winter", False, "other_goods"),
        ("tier:Gold", True, ""),
    ]
    assert [each.factor for each in found.lines] == [Decimal(2), Decimal("1.5"), Decimal("1.5")]
    stranger = await explain(service.staff, ExplainPurchase(lines=lines))
    assert (stranger.points, stranger.tier) == (160, "")
    await service.hear(ProductCollections(product_id="p1", collections=("71",), version=1))
    known, _, _ = (await explain(service.staff, ExplainPurchase(lines=lines))).lines
    assert known.factor == 4
    thought_of = (
        ExplainLine(product_id="p1", amount=Decimal(60), collections=()),
        ExplainLine(amount=Decimal(30), collections=("71",)),
    )
    found = await explain(service.staff, ExplainPurchase(lines=thought_of))
    assert [each.factor for each in found.lines] == [Decimal(2), Decimal(4)]
    assert service.units.said == []
    with pytest.raises(InvalidRequest) as refused:
        await explain(
            service.staff,
            ExplainPurchase(
                shopify_customer_id="c1", customer_id=SHOP, tax=Decimal(-1),
                lines=(ExplainLine(amount=Decimal("NaN")),),
            ),
        )  # fmt: skip
    assert [each.pointer for each in refused.value.problems] == [
        "/lines/0/amount",
        "/tax",
        "/customer_id",
    ]
