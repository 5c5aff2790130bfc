"""Tills without servers: whoever tells of a sale first, in whatever order, it counts once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from contracts.caller import Audience, Caller
from contracts.kit import Body
from contracts.pos import LineTaken, PosLine, SyncSales
from contracts.shop import Refund, digest_of_checkout, member_id
from domain.errors import InvalidRequest
from domain.points.bonus import Buyer
from domain.points.pos import TillRule, happened
from domain.program import defaults
from domain.tiers import Tier, TierLadder, TierMetric
from ports.earning import BuyerFacts, BuyerKey
from ports.ledger import OrderKey, OrderState, WalletKey
from ports.rewards import Redeeming
from ports.unit import Unit
from services.points.pos import Tills
from services.points.using import Settled
from tests.services.given import CountingIds, StandingClock
from tests.services.test_points import SHOP, order, received

STAFF = Caller(audience=Audience.MERCHANT, actor="till", merchant_id=SHOP)
AT = datetime(2026, 6, 1, 9, tzinfo=UTC)


async def no_codes(
    unit: Unit[Redeeming], _events: object, _states: Mapping[OrderKey, OrderState]
) -> Settled:
    return Settled(unit.stores)


class Shop:
    def __init__(self) -> None:
        self.clock = StandingClock()
        self.units: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, self.clock, CountingIds())
        self.tills = Tills(no_codes)

    async def opens(self) -> "Shop":
        async with self.units() as unit:
            await unit.stores.learn_buyers(
                {BuyerKey(SHOP, member_id(SHOP, f"c{n}")): BuyerFacts(Buyer(), 1) for n in (1, 2)}
            )
        return self

    async def runs(self, **changes: Any) -> None:
        """A newer program."""
        async with self.units() as unit:
            known = (await unit.stores.programs([SHOP])).get(SHOP) or defaults("USD")
            newer = replace(known, version=known.version + 1, **changes)
            await unit.stores.learn_programs({SHOP: newer})

    async def sync(
        self, *lines: PosLine, till: str = "t1", sent_at: datetime | None = None
    ) -> Sequence[LineTaken]:
        asked = SyncSales(till_id=till, sent_at=sent_at or self.clock.now(), lines=lines)
        async with self.units() as unit:
            return (await self.tills.sync(unit, STAFF, asked)).lines

    async def hear(self, *bodies: Body) -> None:
        async with self.units() as unit:
            await self.tills.apply_shop_events(unit, [received(body) for body in bodies])

    async def points(self, who: str = "c1") -> int:
        async with self.units() as unit:
            wallet = await unit.stores.wallet(WalletKey(SHOP, member_id(SHOP, who)))
        return 0 if wallet is None else wallet.spendable


def sale(line_id: str = "l1", **changes: Any) -> PosLine:
    base = PosLine(
        line_id=line_id, kind="sale", happened_at=AT, receipt="1-1001",
        shopify_customer_id="c1", merchandise=Decimal(50), tax=Decimal(5),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def back(line_id: str = "r1", **changes: Any) -> PosLine:
    return sale(line_id, **({"kind": "refund", "merchandise": Decimal(20)} | changes))


def from_shopify(**changes: Any) -> Any:
    told = {
        "order_id": "77", "source": "pos", "receipt": "1-1001", "subtotal": Decimal(50),
        "created_at": AT, "updated_at": AT + timedelta(hours=1),
    }  # fmt: skip
    return order("c1", **(told | changes))


REFUNDED = Refund(
    refund_id="900", order_id="77", created_at=AT + timedelta(hours=2), merchandise=Decimal(20)
)


def outcomes(lines: Sequence[LineTaken]) -> list[str]:
    return [line.reason or line.outcome for line in lines]


async def test_a_queue_told_again_adds_nothing() -> None:
    shop = await Shop().opens()
    queue = (sale(), sale("l2", receipt="1-1002"), back())
    assert outcomes(await shop.sync(*queue)) == ["counted"] * 3
    assert await shop.points() == 80
    shop.clock.advance(hours=3)
    assert outcomes(await shop.sync(*reversed(queue))) == ["repeated"] * 3
    assert outcomes(await shop.sync(sale("l9"), till="t2")) == ["known"]
    assert await shop.points() == 80


@pytest.mark.parametrize("knows_order", [False, True])
@pytest.mark.parametrize("first", range(6))
async def test_whoever_tells_first_it_ends_the_same(first: int, knows_order: bool) -> None:
    """The till's sale and refund, each told twice, Shopify's order as it changes, and Shopify's
    refund, in every order there is."""
    more = {"order_id": "77"} if knows_order else {}
    later = from_shopify(updated_at=AT + timedelta(hours=3), refunds=(REFUNDED,))
    tellers: list[Callable[[Shop], Awaitable[object]]] = [
        lambda shop: shop.sync(sale(**more)),
        lambda shop: shop.sync(back(**more)),
        lambda shop: shop.sync(sale(**more), back(**more)),
        lambda shop: shop.hear(from_shopify()),
        lambda shop: shop.hear(REFUNDED),
        lambda shop: shop.hear(later),
    ]
    # A till that knows Shopify's id cannot tell of another sale, whatever else it says.
    numbers = {0, 1, 3, 4, 5, first} if knows_order else set(range(6))
    for rest in permutations(sorted(numbers - {first})):
        shop = await Shop().opens()
        for number in (first, *rest):
            await tellers[number](shop)
        assert await shop.points() == 30, (first, *rest)
        entries = shop.units.stores._entries
        assert sum(each.draft.points for each in entries if each.draft.points > 0) == 50


async def test_shopifys_amounts_count_once_they_are_told() -> None:
    for tell_first in (True, False):
        shop = await Shop().opens()
        shopifys = from_shopify(subtotal=Decimal(45))
        if tell_first:
            await shop.hear(shopifys)
        await shop.sync(sale())
        if not tell_first:
            assert await shop.points() == 50
            await shop.hear(shopifys)
        assert await shop.points() == 45


async def test_a_checkout_s_token_names_a_sale_too() -> None:
    shop = await Shop().opens()
    assert outcomes(await shop.sync(sale(receipt="", checkout_token="ck"))) == ["counted"]
    await shop.hear(from_shopify(receipt="", checkout_digest=digest_of_checkout("ck")))
    assert outcomes(await shop.sync(sale("l2", checkout_token="ck"), till="t2")) == ["known"]
    assert outcomes(await shop.sync(sale("l3"), till="t3")) == ["known"]  # by its receipt now
    assert await shop.points() == 50


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (sale(merchandise=Decimal(51)), "line_told_otherwise"),
        (sale("l2", merchandise=Decimal(51)), "sale_told_otherwise"),
        (sale("l2", receipt="9", shopify_customer_id="stranger"), "unknown_member"),
        (sale("l2", receipt="9", shopify_customer_id=None), "unknown_member"),
        (sale("l2", receipt=""), "unnamed_sale"),
        (sale("l2", receipt="9", happened_at=AT - timedelta(days=91)), "too_old"),
        (sale("l2", kind="redeem"), "bad_line"),
        (sale("l2", merchandise=Decimal(-1)), "bad_line"),
        (sale("l2", merchandise=Decimal("NaN")), "bad_line"),
        (sale("l2", order_id="pos:receipt:1-1001"), "bad_line"),
        (back("l2", merchandise=Decimal(50)), "counted"),
        (sale("l2", receipt="1-1001", order_id="55"), "names_of_two_sales"),
    ],
)
async def test_a_bad_line_says_why_and_keeps_no_good_one_out(line: PosLine, reason: str) -> None:
    shop = await Shop().opens()
    await shop.hear(from_shopify(order_id="55", receipt="", subtotal=Decimal(5)))
    assert outcomes(await shop.sync(sale())) == ["counted"]
    good = sale("l3", receipt="1-1003", merchandise=Decimal(7))
    found = await shop.sync(line, good)
    assert outcomes(found) == [reason, "counted"]
    assert await shop.points() == (12 if reason == "counted" else 62)


async def test_what_went_back_whole_cannot_go_back_again() -> None:
    shop = await Shop().opens()
    await shop.sync(sale(), back("r1", merchandise=Decimal(50)))
    assert outcomes(await shop.sync(back("r2"))) == ["already_refunded"]
    assert outcomes(await shop.sync(back("r1", merchandise=Decimal(50)))) == ["repeated"]
    assert await shop.points() == 0


async def test_what_a_till_may_give_is_what_the_sale_would_earn() -> None:
    """With bonuses and tiers, and before limits; a sale that was refused is as if never told."""
    shop = await Shop().opens()
    gold = TierLadder(TierMetric.SPEND, (Tier("Gold", Decimal(0), Decimal(2)),))
    await shop.runs(tills=TillRule(90), tiers=gold)
    async with shop.units() as unit:
        key = BuyerKey(SHOP, member_id(SHOP, "c1"))
        await unit.stores.learn_buyers({key: BuyerFacts(Buyer(tier="Gold"), 2)})
    assert outcomes(await shop.sync(sale(), sale("l2"))) == ["too_large"] * 2
    assert outcomes(await shop.sync(sale(shopify_customer_id="c2"))) == ["counted"]
    other = sale("l3", receipt="1-1002")
    assert outcomes(await shop.sync(other)) == ["too_large"]
    await shop.runs(tills=TillRule(100))
    assert outcomes(await shop.sync(other)) == ["counted"]
    assert (await shop.points(), await shop.points("c2")) == (100, 50)
    assert outcomes(await shop.sync(back("r1", receipt="1-1002"))) == ["counted"]


async def test_who_was_unknown_may_be_told_again() -> None:
    shop = await Shop().opens()
    stranger = sale(shopify_customer_id="c3")
    assert outcomes(await shop.sync(stranger)) == ["unknown_member"]
    async with shop.units() as unit:
        key = BuyerKey(SHOP, member_id(SHOP, "c3"))
        await unit.stores.learn_buyers({key: BuyerFacts(Buyer(), 1)})
    assert outcomes(await shop.sync(stranger)) == ["counted"]


@pytest.mark.parametrize("clock_is_wrong_by", [timedelta(0), timedelta(days=-20_000), timedelta(9)])
async def test_how_wrong_a_till_s_clock_is_makes_no_difference(
    clock_is_wrong_by: timedelta,
) -> None:
    shop = await Shop().opens()
    now = shop.clock.now()
    line = sale(happened_at=now - timedelta(hours=2) + clock_is_wrong_by)
    await shop.sync(line, sent_at=now + clock_is_wrong_by)
    facts = shop.units.stores._facts[OrderKey(SHOP, "pos:receipt:1-1001")]
    assert facts.created_at == now - timedelta(hours=2)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_nothing_is_ever_in_the_future_or_very_old(said: datetime, sent_at: datetime) -> None:
    at = happened(said, sent_at, AT)
    assert at is None or AT - timedelta(days=90) <= at <= AT
    assert (at is None) == (sent_at - said > timedelta(days=90))


async def test_what_is_no_queue_is_refused_whole() -> None:
    shop = await Shop().opens()
    many = [sale(f"l{n}", receipt=f"{n}") for n in range(501)]
    for lines, till in ((many, "t"), ([], "t"), ([sale("")], "t"), ([sale()], "")):
        with pytest.raises(InvalidRequest):
            await shop.sync(*lines, till=till)
    assert outcomes(await shop.sync(*many[:500])) == ["counted"] * 500
