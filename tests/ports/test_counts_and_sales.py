"""One suite over every store for what members have earned by day, and what sales are known by."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.mongo.rewards import MongoRedeeming
from adapters.postgres.rewards import PostgresRedeeming
from domain.merging import ToldMerge
from domain.points.activities import ActivityRule
from domain.points.activity_entries import activity_entry
from domain.points.bonus import Buyer
from domain.points.earning_limits import EVER, Counted
from domain.points.orders import RefundFacts
from infra.embedded.servers import Servers
from ports.activities import CountKey, Days
from ports.earning import BuyerFacts, BuyerKey
from ports.ledger import NewEntry, OrderKey, WalletKey
from ports.pos import SaleName, TillLine
from ports.rewards import Redeeming
from ports.unit import Units
from tests.ports.conftest import Storage
from tests.ports.stores import IDS, SYSTEM_CLOCK, on_mongo, on_postgres

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST = date(2026, 6, 1)
REVIEW = ActivityRule("review", "Review", 100)


@pytest.fixture
async def units(storage: Storage, servers: Servers) -> AsyncIterator[Units[Redeeming]]:
    if storage == "memory":
        fake: MemoryUnits[Redeeming] = MemoryUnits(MemoryRedeeming, SYSTEM_CLOCK, IDS)
        yield fake
    elif isinstance(storage, str):
        async with on_postgres(servers, stores=PostgresRedeeming) as store:
            yield store.units
    else:
        server, driver = storage
        async with on_mongo(server, servers, driver=driver, stores=MongoRedeeming) as store:
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
