"""One suite over every store for what members have earned by day, and what sales are known by."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.mongo.rewards import MongoRedeeming
from adapters.postgres.rewards import PostgresRedeeming
from contracts.activities import EarnPoints
from contracts.caller import Audience, Caller
from contracts.shop import ORDER_UPDATED, Refund, member_id
from contracts.statements import Reverse
from domain.errors import LimitReached
from domain.merging import ToldMerge
from domain.points.activities import ActivityRule
from domain.points.activity_entries import activity_entry
from domain.points.bonus import Buyer
from domain.points.earning_limits import EVER, Counted, EarningLimit, Every
from domain.points.orders import RefundFacts
from domain.program import PurchaseRule, defaults
from infra.embedded.servers import Servers
from ports.activities import CountKey, Days
from ports.earning import BuyerFacts, BuyerKey
from ports.events import Received
from ports.ledger import NewEntry, OrderKey, WalletKey
from ports.pos import SaleName, TillLine
from ports.rewards import Redeeming
from ports.unit import Units
from services.points.activities import earn
from services.points.earning import apply_shop_events
from services.points.reversing import reverse
from tests.mesh.said import order
from tests.ports.conftest import Storage, opened_on
from tests.ports.stores import IDS, SYSTEM_CLOCK

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST = date(2026, 6, 1)
REVIEW = ActivityRule("review", "Review", 100)


@pytest.fixture
async def units(storage: Storage, servers: Servers) -> AsyncIterator[Units[Redeeming]]:
    if storage == "memory":
        fake: MemoryUnits[Redeeming] = MemoryUnits(MemoryRedeeming, SYSTEM_CLOCK, IDS)
        yield fake
        return
    async with opened_on(storage, servers, PostgresRedeeming, MongoRedeeming) as store:
        yield store.units


async def count(units: Units[Redeeming], key: CountKey, day: date, points: int = 10) -> None:
    """As it is done: the wallet is held, something is posted, and counted."""
    wallet = WalletKey(key.merchant_id, key.customer_id)
    async with units() as unit:
        await unit.stores.lock_wallets([wallet])
        draft = activity_entry(REVIEW, str(IDS.new()), points)
        await unit.stores.post([NewEntry(IDS.new(), wallet, draft, AT)])
        await unit.stores.count({(key, day): Counted(1, points)})


async def test_what_was_earned_is_counted_by_day_and_for_ever(units: Units[Redeeming]) -> None:
    key = CountKey(uuid4(), uuid4(), "purchase")
    for number in (0, 0, 1, 5, 40):
        await count(units, key, FIRST + timedelta(days=number))
    await count(units, key._replace(rule="birthday"), FIRST, 7)
    await count(units, key._replace(merchant_id=uuid4()), FIRST, 8)
    stranger = key._replace(customer_id=uuid4())
    days = Days(FIRST, FIRST + timedelta(days=5))
    async with units() as unit:
        found = await unit.stores.earned({key: days, stranger: days})
    assert found[key].key == key
    assert found[key].by_day == {
        FIRST: Counted(2, 20),
        FIRST + timedelta(days=1): Counted(1, 10),
        FIRST + timedelta(days=5): Counted(1, 10),
        EVER: Counted(5, 50),
    }
    assert stranger not in found or found[stranger].by_day == {}


DAILY = PurchaseRule(limits=(EarningLimit(Every.DAY, times=2, points=150),))


class Undoing:
    """A shop with a daily limit, whose staff undoes what one member has earned."""

    def __init__(self, units: Units[Any]) -> None:
        self.units = units
        self.merchant = uuid4()
        self.member = WalletKey(self.merchant, member_id(self.merchant, "c1"))
        self.staff = Caller(audience=Audience.MERCHANT, actor="s", merchant_id=self.merchant)

    async def opens(self, **program: Any) -> "Undoing":
        settings = replace(defaults("USD"), version=2, purchase=DAILY, **program)
        async with self.units() as unit:
            await unit.stores.learn_programs({self.merchant: settings})
            known = {BuyerKey(*self.member): BuyerFacts(Buyer(), 1)}
            await unit.stores.learn_buyers(known)
        return self

    async def hears(self, order_id: str, subtotal: int, hour: int = 0, **changes: Any) -> int:
        """What the member has then."""
        told = order(
            self.merchant, order_id=order_id, subtotal=Decimal(subtotal), created_at=AT,
            updated_at=AT + timedelta(hours=hour), **changes,
        )  # fmt: skip
        async with self.units() as unit:
            event = Received(str(IDS.new()), ORDER_UPDATED, told, self.merchant, AT)
            await apply_shop_events(unit, [event])
        return await self.has()

    async def has(self) -> int:
        async with self.units() as unit:
            wallet = await unit.stores.wallet(self.member)
        return 0 if wallet is None else wallet.spendable

    async def undoes(self, source: str, reference: str) -> int:
        """What the member has then."""
        async with self.units() as unit:
            found = await unit.stores.history(self.member, None, 50)
            (entry,) = (
                each
                for each in found
                if (each.draft.source, each.draft.source_ref) == (source, reference)
            )
            asked = Reverse(
                customer_id=self.member.customer_id, entry_id=entry.entry_id, reason="-"
            )
            await reverse(unit, self.staff, asked)
        return await self.has()

    async def counted(self, rule: str) -> tuple[Counted, Counted]:
        """On that day, and ever."""
        key = CountKey(*self.member, rule)
        async with self.units() as unit:
            by_day = (await unit.stores.earned({key: Days(FIRST, FIRST)}))[key].by_day
        return by_day.get(FIRST, Counted()), by_day.get(EVER, Counted())


async def test_an_order_that_staff_undoes_counts_no_more(units: Units[Redeeming]) -> None:
    shop = await Undoing(units).opens()
    assert await shop.hears("o1", 100) == 100
    assert await shop.hears("o2", 100) == 150
    assert await shop.hears("o3", 100) == 150
    assert await shop.undoes("order", "o1") == 50
    assert await shop.counted("purchase") == (Counted(1, 50), Counted(1, 50))
    # There is room again, for an order of that day that nothing was left for; once.
    assert await shop.hears("o4", 300) == 150
    assert await shop.hears("o5", 300) == 150
    assert await shop.counted("purchase") == (Counted(2, 150), Counted(2, 150))


async def test_of_an_edited_order_all_that_was_counted_is_given_back(
    units: Units[Redeeming],
) -> None:
    shop = await Undoing(units).opens()
    assert await shop.hears("o1", 100) == 100
    assert await shop.hears("o1", 120, 1) == 120
    assert await shop.hears("o1", 110, 2) == 110
    assert await shop.counted("purchase") == (Counted(1, 110), Counted(1, 110))
    assert await shop.undoes("order", "o1") == 0
    assert await shop.counted("purchase") == (Counted(), Counted())


async def test_a_refund_gives_no_room_back_and_undoing_it_takes_none(
    units: Units[Redeeming],
) -> None:
    shop = await Undoing(units).opens()
    refund = Refund(refund_id="r1", order_id="o1", created_at=AT, merchandise=Decimal(60))
    assert await shop.hears("o1", 100) == 100
    assert await shop.hears("o1", 100, 1, refunds=(refund,)) == 40
    assert await shop.counted("purchase") == (Counted(1, 100), Counted(1, 100))
    assert await shop.undoes("refund", "r1") == 100
    assert await shop.counted("purchase") == (Counted(1, 100), Counted(1, 100))
    assert await shop.undoes("order", "o1") == 0
    assert await shop.counted("purchase") == (Counted(), Counted())


async def test_what_was_never_counted_gives_nobodys_room_back(units: Units[Redeeming]) -> None:
    """Earned while the program had no limits."""
    shop = await Undoing(units).opens()
    async with units() as unit:
        free = replace(defaults("USD"), version=3)
        await unit.stores.learn_programs({shop.merchant: free})
    assert await shop.hears("o1", 100) == 100
    async with units() as unit:
        await unit.stores.learn_programs({shop.merchant: replace(free, version=4, purchase=DAILY)})
    assert await shop.undoes("order", "o1") == 0
    assert await shop.counted("purchase") == (Counted(), Counted())


async def test_an_activity_that_staff_undoes_counts_no_more(units: Units[Redeeming]) -> None:
    once = replace(REVIEW, limits=(EarningLimit(Every.LIFETIME, times=1),))
    shop = await Undoing(units).opens(activities=(once,))
    told = EarnPoints(shopify_customer_id="c1", activity="review", reference="r1")
    async with shop.units() as unit:
        await earn(unit, shop.staff, told)
    with pytest.raises(LimitReached):
        async with shop.units() as unit:
            await earn(unit, shop.staff, msgspec.structs.replace(told, reference="r2"))
    assert await shop.undoes("activity", "r1") == 0
    async with shop.units() as unit:
        again = await earn(unit, shop.staff, told)
    assert again.repeated  # it was undone, and stays so
    async with shop.units() as unit:
        await earn(unit, shop.staff, msgspec.structs.replace(told, reference="r2"))
    assert await shop.has() == 100
    _, ever = await shop.counted("activity:review")
    assert ever == Counted(1, 100)


async def test_who_stands_for_two_gets_the_room_back_of_both(units: Units[Redeeming]) -> None:
    shop = await Undoing(units).opens()
    assert await shop.hears("o1", 100) == 100
    kept = member_id(shop.merchant, "c2")
    async with units() as unit:
        await unit.stores.learn_buyers({BuyerKey(shop.merchant, kept): BuyerFacts(Buyer(), 1)})
        await unit.stores.merge(shop.merchant, [ToldMerge(kept, shop.member.customer_id, 1)])
    shop.member = WalletKey(shop.merchant, kept)
    assert await shop.counted("purchase") == (Counted(1, 100), Counted(1, 100))
    await shop.undoes("order", "o1")
    assert await shop.counted("purchase") == (Counted(), Counted())


async def test_many_at_once_are_all_counted(units: Units[Redeeming]) -> None:
    key = CountKey(uuid4(), uuid4(), "purchase")
    await asyncio.gather(*(count(units, key, FIRST) for _ in range(12)))
    async with units() as unit:
        found = await unit.stores.earned({key: Days(FIRST, FIRST)})
    assert found[key].by_day == {FIRST: Counted(12, 120), EVER: Counted(12, 120)}


async def test_those_who_were_merged_count_as_one(units: Units[Redeeming]) -> None:
    shop, kept, merged = uuid4(), uuid4(), uuid4()
    keys = [CountKey(shop, each, "purchase") for each in (kept, merged)]
    for key in keys:
        await count(units, key, FIRST)
    async with units() as unit:
        await unit.stores.merge(shop, [ToldMerge(merged, kept, 1)])
    async with units() as unit:
        found = await unit.stores.earned(dict.fromkeys(keys, Days(FIRST, FIRST)))
    for key in keys:
        assert found[key].key == keys[0]
        assert found[key].by_day == {FIRST: Counted(2, 20), EVER: Counted(2, 20)}


async def test_members_are_those_of_whom_anything_is_known(units: Units[Redeeming]) -> None:
    shop = uuid4()
    heard_of, has_points, nobody = (BuyerKey(shop, uuid4()) for _ in range(3))
    async with units() as unit:
        await unit.stores.learn_buyers({heard_of: BuyerFacts(Buyer(), 1)})
        draft = activity_entry(REVIEW, "r1", 100)
        entry = NewEntry(IDS.new(), WalletKey(*has_points), draft, AT)
        await unit.stores.post([entry])
    async with units() as unit:
        asked = [heard_of, has_points, nobody, heard_of._replace(merchant_id=uuid4())]
        assert await unit.stores.members(asked) == {heard_of, has_points}
        told = await unit.stores.activity(has_points, "review", "r1")
        assert told is not None
        assert (told.entry_id, told.points, told.is_theirs) == (entry.entry_id, 100, True)
        others = await unit.stores.activity(heard_of, "review", "r1")
        assert others is not None
        assert not others.is_theirs
        for rule, reference in (("review", "r2"), ("follow", "r1")):
            assert await unit.stores.activity(has_points, rule, reference) is None


async def test_a_sale_is_known_by_its_names_from_then_on(units: Units[Redeeming]) -> None:
    shop = uuid4()
    receipt, order, other = (
        SaleName(shop, name) for name in ("receipt:1", "order:77", "receipt:2")
    )
    refund = RefundFacts("900", "77", Decimal("12.5"), AT)
    async with units() as unit:
        await unit.stores.lock_orders([OrderKey(shop, "77")])
        await unit.stores.learn_refunds({OrderKey(shop, "77"): [refund]})
    async with units() as unit:
        assert await unit.stores.hold_sales([receipt, order, other]) == {}
        await unit.stores.name_sales({receipt: "pos:1", order: "pos:1"})
        await unit.stores.take_over_refunds(shop, {"77": "pos:1"})
    async with units() as unit:
        known = await unit.stores.hold_sales([receipt, order, other])
        assert known == {receipt: "pos:1", order: "pos:1"}
        await unit.stores.name_sales({receipt: "another"})
        states = await unit.stores.lock_orders([OrderKey(shop, "pos:1")])
        (taken_over,) = states[OrderKey(shop, "pos:1")].refunds
        assert (taken_over.refund_id, taken_over.merchandise) == ("900", Decimal("12.5"))
        assert taken_over.order_id == "pos:1"
    async with units() as unit:
        assert (await unit.stores.hold_sales([receipt]))[receipt] == "pos:1"


async def test_two_who_tell_of_one_sale_come_one_after_the_other(units: Units[Redeeming]) -> None:
    name = SaleName(uuid4(), "receipt:1")
    first: list[UUID] = []

    async def tell() -> None:
        async with units() as unit:
            if not await unit.stores.hold_sales([name]):
                first.append(IDS.new())
                await unit.stores.name_sales({name: str(first[-1])})

    await asyncio.gather(*(tell() for _ in range(8)))
    assert len(first) == 1


async def test_lines_that_were_taken_are_known(units: Units[Redeeming]) -> None:
    shop = uuid4()
    sale = TillLine("1", "pos:1", "content", "sale", "Main Street", AT)
    refund = TillLine("2", "pos:1", "other content", "", "", AT)
    async with units() as unit:
        await unit.stores.hold_till(shop, "t1")
        await unit.stores.keep_lines(shop, "t1", [sale, refund])
        assert await unit.stores.till_lines(shop, "t1", ["1"]) == {"1": sale}
    async with units() as unit:
        found = await unit.stores.till_lines(shop, "t1", ["2", "1", "3"])
        assert found == {"1": sale, "2": refund}
        assert await unit.stores.till_lines(shop, "t2", ["1"]) == {}
        assert await unit.stores.sales_told(shop, ["pos:1", "pos:2"]) == {"pos:1": "sale"}
