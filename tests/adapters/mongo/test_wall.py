"""What keeps a shop's documents its own, and a ledger a ledger, where there is no wall but ours."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from inspect import iscoroutinefunction
from typing import Any
from uuid import UUID, uuid4

import pytest
from bson import Decimal128
from msgspec import structs
from pymongo.errors import WriteError

from adapters.mongo.chain import MongoChain
from adapters.mongo.clearing import MongoClearings
from adapters.mongo.collections import (
    BLOCKS,
    CHAIN_SWEEP,
    ENTRIES,
    INBOX,
    OF_POINTS,
    WALLETS,
)
from adapters.mongo.database import MongoDatabase
from adapters.mongo.exports import MongoExports
from adapters.mongo.liability import MongoHoldings
from adapters.mongo.past_orders import MongoPastOrders
from adapters.mongo.resealing import MongoSealedRows
from adapters.mongo.rewards import MongoRedeeming
from adapters.mongo.schema import Collection
from adapters.mongo.scope import ACROSS_SHOPS, OtherShop, Scope
from adapters.mongo.statements import MongoStatements
from adapters.system import SystemClock
from domain.errors import NotFound
from domain.merging import ToldMerge
from domain.points.benefits import AmountOff
from domain.points.bonus import Buyer
from domain.points.earning_limits import Counted
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import Life
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.redemption import Redemption, RedemptionState
from domain.points.rewards import Reward, RewardKind, RewardTerms, Tally
from domain.program import defaults
from infra.embedded.mongo import MongoServer
from ports.activities import CountKey, Days
from ports.clearing import ClearingAsked
from ports.earning import BuyerFacts, BuyerKey, CollectionFacts, GoodsFacts, GoodsKey
from ports.ledger import NewEntry, OrderKey, WalletKey
from ports.past_orders import Period
from ports.pooling import Account, Link
from ports.pos import SaleName, TillLine
from ports.resealing import Errand, SealedRow
from ports.rewards import CodeKey, RedemptionKey, RedemptionsAsked, RewardKey, RewardsAsked
from ports.statements import Mark

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)


class Stores(
    MongoRedeeming, MongoPastOrders, MongoStatements, MongoHoldings, MongoExports, MongoClearings
):
    """All that the service keeps in one transaction."""


Work = Callable[[Stores, UUID], Awaitable[object]]


@pytest.fixture
async def database(mongo: MongoServer) -> AsyncIterator[MongoDatabase]:
    database = MongoDatabase(mongo.url, "wall", OF_POINTS)
    await database.migrate()
    yield database
    await database.close()


MEMBER, REWARD, BOUGHT, ENTRY, POOL = (uuid4() for _ in range(5))
ALWAYS = Period(LONG_AGO, datetime(2100, 1, 1, tzinfo=UTC))


def entry(shop: UUID, points: int = 10, **changes: Any) -> NewEntry:
    draft = EntryDraft(
        kind=EntryKind.EARN, points=points, reason="test", source="activity", source_ref="r",
        rule="a", order_id="o1",
    )  # fmt: skip
    life = Life(AT + timedelta(days=9))
    new = NewEntry(uuid4(), WalletKey(shop, MEMBER), draft, AT, LONG_AGO, life, LONG_AGO)
    return structs.replace(new, draft=draft._replace(**changes))


def facts() -> OrderFacts:
    return OrderFacts(
        order_id="o1", customer_id=MEMBER, currency="USD", financial_status="paid",
        created_at=AT, updated_at=AT, merchandise=Decimal("100.10"),
    )  # fmt: skip


def reward(shop: UUID) -> Reward:
    terms = RewardTerms(name="a", kind=RewardKind.DISCOUNT, cost=5, amount=Decimal(5))
    return Reward(shop, REWARD, 1, terms, False, 0, AT, AT)


def redemption(shop: UUID) -> Redemption:
    return Redemption(
        merchant_id=shop, redemption_id=BOUGHT, customer_id=MEMBER, shopify_customer_id="1",
        reward_id=REWARD, reward_version=1, title="a", benefit=AmountOff(Decimal(5)), points=5,
        paid_by=uuid4(), state=RedemptionState.IN_DOUBT, created_at=AT, ends_at=None,
        due_at=LONG_AGO, sealed_code="v2.old.x", code_digest="digest",
    )  # fmt: skip


WRITES: Mapping[str, Work] = {
    "learn_programs": lambda ledger, shop: ledger.learn_programs({shop: defaults("USD")}),
    "learn_buyers": lambda ledger, shop: ledger.learn_buyers(
        {BuyerKey(shop, MEMBER): BuyerFacts(Buyer("Gold", ""), 1)}
    ),
    "learn_goods": lambda ledger, shop: ledger.learn_goods(
        {GoodsKey(shop, "p1"): GoodsFacts(("a",), AT)}
    ),
    "learn_collections": lambda ledger, shop: ledger.learn_collections(
        {GoodsKey(shop, "p1"): CollectionFacts(("c",), 1)}
    ),
    "lock_orders": lambda ledger, shop: ledger.lock_orders([OrderKey(shop, "o1")]),
    "learn_orders": lambda ledger, shop: ledger.learn_orders({OrderKey(shop, "o1"): facts()}),
    "learn_refunds": lambda ledger, shop: ledger.learn_refunds(
        {OrderKey(shop, "o1"): [RefundFacts("r1", "o1", Decimal(1), AT)]}
    ),
    "lock_wallets": lambda ledger, shop: ledger.lock_wallets([WalletKey(shop, MEMBER)]),
    "post": lambda ledger, shop: ledger.post(
        [
            structs.replace(entry(shop), entry_id=ENTRY),
            entry(shop, source="pool", rule=str(uuid4())),
        ]
    ),
    "count": lambda ledger, shop: ledger.count(
        {(CountKey(shop, MEMBER, "activity:a"), AT.date()): Counted(1, 5)}
    ),
    "merge": lambda ledger, shop: ledger.merge(shop, [ToldMerge(uuid4(), MEMBER, 1)]),
    "learn_links": lambda ledger, shop: ledger.learn_links(
        {WalletKey(shop, MEMBER): Link(POOL, POOL, 1, AT)}
    ),
    "lock_alone": lambda ledger, shop: ledger.lock_alone(WalletKey(shop, MEMBER)),
    "lock_pool": lambda ledger, shop: ledger.lock_pool(WalletKey(shop, MEMBER)),
    "look_again": lambda ledger, shop: ledger.look_again(
        LONG_AGO, {WalletKey(shop, MEMBER): LONG_AGO}
    ),
    "add_reward": lambda ledger, shop: ledger.add_reward(reward(shop)),
    "save_reward": lambda ledger, shop: ledger.save_reward(replace(reward(shop), version=2)),
    "take_stock": lambda ledger, shop: ledger.take_stock(RewardKey(shop, REWARD)),
    "give_stock_back": lambda ledger, shop: ledger.give_stock_back(RewardKey(shop, REWARD)),
    "add_redemption": lambda ledger, shop: ledger.add_redemption(redemption(shop)),
    "lock_redemption": lambda ledger, shop: ledger.lock_redemption(RedemptionKey(shop, BOUGHT)),
    "save_redemptions": lambda ledger, shop: ledger.save_redemptions([redemption(shop)]),
    "hold_sales": lambda ledger, shop: ledger.hold_sales([SaleName(shop, "receipt:1")]),
    "name_sales": lambda ledger, shop: ledger.name_sales({SaleName(shop, "receipt:1"): "o1"}),
    "take_over_refunds": lambda ledger, shop: ledger.take_over_refunds(shop, {"o1": "o2"}),
    "hold_till": lambda ledger, shop: ledger.hold_till(shop, "t"),
    "keep_lines": lambda ledger, shop: ledger.keep_lines(
        shop, "t", [TillLine("l", "o1", "c", "s", "", AT)]
    ),
}
"""In this order they fill a shop."""
SEALED_WRITES: Mapping[str, Callable[[MongoSealedRows, UUID], Awaitable[object]]] = {
    "begin": lambda rows, shop: rows.begin([shop], LONG_AGO),
    "advance": lambda rows, shop: rows.advance(Errand(shop, UUID(int=0), LONG_AGO), UUID(int=1)),
    "put_off": lambda rows, shop: rows.put_off(Errand(shop, UUID(int=0), LONG_AGO), AT),
    "end": lambda rows, shop: rows.end(Errand(shop, UUID(int=0), LONG_AGO)),
    "replace": lambda rows, shop: rows.replace(
        shop, [SealedRow(BOUGHT, {"sealed_code": "v2.new.x"}, {})]
    ),
}
SEALED_READS: Mapping[str, Callable[[MongoSealedRows, UUID], Awaitable[object]]] = {
    "due": lambda rows, _: rows.due(LONG_AGO),
    "under": lambda rows, shop: rows.under(Errand(shop, UUID(int=0), LONG_AGO), ["old"], 9),
    "count": lambda rows, shop: rows.count(shop, "old"),
}
READS: Mapping[str, Work] = {
    "programs": lambda ledger, shop: ledger.programs([shop]),
    "buyers": lambda ledger, shop: ledger.buyers([BuyerKey(shop, MEMBER)]),
    "goods": lambda ledger, shop: ledger.goods([GoodsKey(shop, "p1")]),
    "members": lambda ledger, shop: ledger.members([BuyerKey(shop, MEMBER)]),
    "activity": lambda ledger, shop: ledger.activity(BuyerKey(shop, MEMBER), "a", "r"),
    "earned": lambda ledger, shop: ledger.earned(
        {CountKey(shop, MEMBER, "activity:a"): Days(date.min, date.max)}
    ),
    "wallet": lambda ledger, shop: ledger.wallet(WalletKey(shop, MEMBER)),
    "wallets": lambda ledger, shop: ledger.wallets(shop, [MEMBER]),
    "history": lambda ledger, shop: ledger.history(WalletKey(shop, MEMBER), None, 9),
    "lots": lambda ledger, shop: ledger.lots(WalletKey(shop, MEMBER), None, 9),
    "ageing": lambda ledger, shop: ledger.ageing(shop, [MEMBER]),
    "take_ageing": lambda ledger, _: ledger.take_ageing(LONG_AGO, 999),
    "take_matured": lambda ledger, _: ledger.take_matured(LONG_AGO, 999),
    "reward": lambda ledger, shop: ledger.reward(RewardKey(shop, REWARD)),
    "rewards": lambda ledger, shop: ledger.rewards(RewardsAsked(shop, False, None, 9)),
    "tally": lambda ledger, shop: _taken(ledger, shop),
    "redemption": lambda ledger, shop: ledger.redemption(RedemptionKey(shop, BOUGHT)),
    "redemptions": lambda ledger, shop: ledger.redemptions(
        RedemptionsAsked(shop, MEMBER, None, None, 9)
    ),
    "lock_used": lambda ledger, shop: ledger.lock_used([CodeKey(shop, "digest")], ()),
    "take_due": lambda ledger, _: ledger.take_due(LONG_AGO, LONG_AGO, 9),
    "count_in_doubt": lambda ledger, _: ledger.count_in_doubt(),
    "till_lines": lambda ledger, shop: ledger.till_lines(shop, "t", ["l"]),
    "sales_told": lambda ledger, shop: ledger.sales_told(shop, ["o1"]),
    "count_orders": lambda ledger, shop: ledger.count_orders(shop, ALWAYS),
    "past_orders": lambda ledger, shop: ledger.past_orders(shop, ALWAYS, "", 9),
    "wallet_before": lambda ledger, shop: ledger.wallet_before(WalletKey(shop, MEMBER), None),
    "mark_of": lambda ledger, shop: ledger.mark_of(WalletKey(shop, MEMBER), ENTRY),
    "stored": lambda ledger, shop: ledger.stored(shop, None, 9),
    "cleared": lambda ledger, shop: ledger.cleared(ClearingAsked(shop, None, None, None, 9)),
    "account": lambda ledger, shop: _has(ledger, shop),
    "pool": lambda ledger, shop: ledger.pool(WalletKey(shop, MEMBER)),
    "head": lambda ledger, shop: ledger.head(shop),
    "held": lambda ledger, shop: ledger.held(shop, None),
    "expiring": lambda ledger, shop: ledger.expiring(shop, "UTC"),
    "entries_from": lambda ledger, shop: ledger.entries_from(
        WalletKey(shop, MEMBER), Mark(LONG_AGO, UUID(int=0)), None, 9
    ),
}


async def _taken(ledger: Stores, shop: UUID) -> bool:
    found = await ledger.tally(WalletKey(shop, MEMBER), {REWARD: LONG_AGO})
    return found[REWARD] != Tally()


async def _has(ledger: Stores, shop: UUID) -> bool:
    return await ledger.account(WalletKey(shop, MEMBER)) != Account(None, None, linked=False)


async def fill(database: MongoDatabase, shop: UUID) -> None:
    async with database.transaction(Scope(frozenset([shop])), SystemClock()) as transaction:
        ledger = Stores(transaction)
        for write in WRITES.values():
            await write(ledger, shop)
        await MongoSealedRows(transaction).begin([shop], LONG_AGO)
    async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        assert await MongoChain(transaction).seal(999, AT)


def test_every_method_is_tried() -> None:
    def methods(stores: type) -> set[str]:
        return {
            name
            for name in dir(stores)
            if not name.startswith("_") and iscoroutinefunction(getattr(stores, name))
        }

    assert methods(Stores) == WRITES.keys() | READS.keys()
    assert methods(MongoSealedRows) == SEALED_WRITES.keys() | SEALED_READS.keys()


async def test_a_transaction_reads_nothing_of_another_shop(database: MongoDatabase) -> None:
    shop, other = uuid4(), uuid4()
    await fill(database, shop)
    for name, read in READS.items():
        async with database.transaction(Scope(frozenset([shop])), SystemClock()) as transaction:
            assert await read(Stores(transaction), shop), f"{name} shows nothing at all"
        async with database.transaction(Scope(frozenset([other])), SystemClock()) as transaction:
            assert not await read(Stores(transaction), shop), f"{name} shows another shop's"
    for name, look in SEALED_READS.items():
        async with database.transaction(Scope(frozenset([shop])), SystemClock()) as transaction:
            assert await look(MongoSealedRows(transaction), shop), f"{name} shows nothing at all"
        async with database.transaction(Scope(frozenset([other])), SystemClock()) as transaction:
            assert not await look(MongoSealedRows(transaction), shop), f"{name} shows another's"


async def test_a_transaction_writes_nothing_of_another_shop(database: MongoDatabase) -> None:
    shop, other = uuid4(), uuid4()
    for write in WRITES.values():
        async with database.transaction(Scope(frozenset([other])), SystemClock()) as transaction:
            ledger = Stores(transaction)
            # KeyError: an order that is not locked, and cannot be.
            with pytest.raises((OtherShop, KeyError)):
                await write(ledger, shop)
    for change in SEALED_WRITES.values():
        async with database.transaction(Scope(frozenset([other])), SystemClock()) as transaction:
            with pytest.raises((OtherShop, KeyError)):
                await change(MongoSealedRows(transaction), shop)
    for collection in OF_POINTS:
        if not collection.no_shop:
            found = database.collection(collection.name)
            assert await found.find_one({"merchant_id": {"$in": [shop, other]}}) is None


async def test_every_index_begins_with_the_shop(database: MongoDatabase) -> None:
    for collection in OF_POINTS:
        found = await database.collection(collection.name).index_information()
        excused = {*collection.swept, *collection.kept_seconds, "_id"}
        for name, index in found.items():
            first, _ = index["key"][0]
            if first in excused and len(index["key"]) == 1:
                assert not index.get("unique"), name
            elif not collection.no_shop:
                assert first == "merchant_id", f"{collection.name}.{name}"
    assert [each for each in OF_POINTS if each.no_shop] == [INBOX, CHAIN_SWEEP]
    key = [(name, 1) for name in ENTRIES.key]
    entries = await database.collection(ENTRIES.name).index_information()
    assert [each.get("unique") for each in entries.values() if each["key"] == key] == [True]


@pytest.mark.parametrize("grows", [ENTRIES, BLOCKS], ids=lambda each: each.name)
async def test_entries_and_blocks_are_only_inserted(
    database: MongoDatabase, grows: Collection
) -> None:
    async with database.transaction(ACROSS_SHOPS, SystemClock()) as transaction:
        document: dict[str, Any] = dict.fromkeys(grows.key, "") | {"merchant_id": uuid4()}
        with pytest.raises(TypeError, match="only grows"):
            transaction.put(grows, document)
        with pytest.raises(TypeError, match="only grows"):
            transaction.update(grows, document, [{"$set": {"points": 1}}])
        with pytest.raises(TypeError, match="only grows"):
            transaction.remove(grows, document)


async def test_only_who_works_across_shops_seals(database: MongoDatabase) -> None:
    async with database.transaction(Scope(frozenset([uuid4()])), SystemClock()) as transaction:
        with pytest.raises(OtherShop):
            await MongoChain(transaction).seal(9, AT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spendable": 1.5},
        {"spendable": "1"},
        {"spendable": Decimal128("1")},
        {"merchant_id": "a text"},
        {"version": None},
        {"more": 1},
    ],
    ids=str,
)
async def test_what_is_no_wallet_is_not_kept(
    database: MongoDatabase, wrong: dict[str, object]
) -> None:
    right: dict[str, object] = {
        "merchant_id": uuid4(), "customer_id": uuid4(), "spendable": 1, "pending": 0, "spent": 0,
        "expired": 0, "version": 1, "merged_into": None, "merge_version": 0, "active_at": None,
    }  # fmt: skip
    wallets = database.collection(WALLETS.name)
    await wallets.insert_one(dict(right))
    with pytest.raises(WriteError) as refused:
        await wallets.insert_one(right | {"customer_id": uuid4()} | wrong)
    assert refused.value.code == 121


async def test_amounts_and_times_come_back_to_the_last_digit(database: MongoDatabase) -> None:
    shop = uuid4()
    at = datetime(2026, 5, 1, 12, 0, 0, 123457, tzinfo=UTC)
    told = replace(facts(), merchandise=Decimal("0.10"), tax=Decimal("12345678901234.5678"))
    told = replace(told, updated_at=at, paid_at=at)
    key = OrderKey(shop, "o1")
    scope = Scope(frozenset([shop]))
    async with database.transaction(scope, SystemClock()) as transaction:
        ledger = Stores(transaction)
        await ledger.lock_orders([key])
        await ledger.learn_orders({key: told})
        await ledger.post([structs.replace(entry(shop), at=at)])
    async with database.transaction(scope, SystemClock()) as transaction:
        found = (await Stores(transaction).lock_orders([key]))[key].facts
        assert found == told
        assert found is not None
        assert str(found.merchandise) == "0.10"
        (posted,) = await Stores(transaction).history(WalletKey(shop, MEMBER), None, 9)
        assert posted.at == at
    stored = await database.collection("orders").find_one({"merchant_id": shop})
    assert stored is not None
    assert isinstance(stored["facts"]["tax"], Decimal128)
    raw = await database.collection(ENTRIES.name).find_one({"merchant_id": shop})
    assert raw is not None
    assert isinstance(raw["_id"], UUID)


async def test_who_undoes_another_members_entry_finds_none(database: MongoDatabase) -> None:
    shop = uuid4()
    first = entry(shop)
    async with database.transaction(Scope(frozenset([shop])), SystemClock()) as transaction:
        await Stores(transaction).post([first])
    undo = entry(shop, -10, source_ref="x", undoes=first.entry_id)
    undo = structs.replace(undo, wallet=WalletKey(shop, uuid4()))
    async with database.transaction(Scope(frozenset([shop])), SystemClock()) as transaction:
        with pytest.raises(NotFound):
            await Stores(transaction).post([undo])
