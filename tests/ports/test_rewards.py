"""One suite over every store for redeeming: what it keeps, and races for points and stock."""

import asyncio
from collections import Counter as Count
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.mongo.collections import OF_POINTS
from adapters.mongo.database import MongoDatabase
from adapters.mongo.outbox import MongoOutbox
from adapters.mongo.rewards import MongoRedeeming
from adapters.mongo.units import mongo_units
from adapters.nats.connection import connect
from adapters.nats.publisher import Publisher
from adapters.nats.relay import Relay
from adapters.postgres.database import Database
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.rewards import PostgresRedeeming
from adapters.postgres.units import postgres_units
from adapters.system import UuidV7
from contracts.rewards import ListRedemptions
from domain.errors import LimitReached, LoyaltyError, Unavailable
from domain.merging import ToldMerge
from domain.points.redemption import Redemption, RedemptionState
from domain.points.rewards import RewardUnavailable, Tally
from domain.points.wallet import InsufficientPoints, Wallet
from infra.embedded.mongo import MongoServer
from infra.embedded.servers import Servers
from ports.ledger import OrderKey, WalletKey
from ports.rewards import (
    CodeKey,
    Redeeming,
    RedemptionKey,
    RedemptionsAsked,
    RewardKey,
    RewardsAsked,
)
from ports.unit import Units
from tests.ports.conftest import Storage
from tests.ports.shops_named import ShopsNamed
from tests.services.counter import Counter
from tests.services.given import StandingClock

IDS = UuidV7()
S = RedemptionState


@pytest.fixture
async def counter(storage: Storage, servers: Servers) -> AsyncIterator[Counter]:
    """With two sets of connections where there are any, as two processes have them."""
    clock = StandingClock()
    if storage == "memory":
        fake: MemoryUnits[Redeeming] = MemoryUnits(MemoryRedeeming, clock, IDS)
        yield Counter(fake, clock)
        return
    async with AsyncExitStack() as stack:
        processes = [
            await postgres(servers, clock, stack)
            if isinstance(storage, str)
            else await mongo_on(storage, servers, clock, stack)
            for _ in range(2)
        ]
        turn = 0

        def in_turn() -> Any:
            nonlocal turn
            turn += 1
            return processes[turn % 2]()

        counter = Counter(in_turn, clock)
        yield counter
        # Nothing is left to be done for whoever comes next.
        async with counter.units() as unit:
            asked = RedemptionsAsked(counter.merchant, None, None, None, 1_000)
            left = await unit.stores.redemptions(asked)
            await unit.stores.save_redemptions([replace(each, due_at=None) for each in left])


async def postgres(
    servers: Servers, clock: StandingClock, stack: AsyncExitStack, *, across_shops: bool = True
) -> Units[Redeeming]:
    settings = servers.environment()
    client = await connect(settings["LOYALNEST_NATS_URL"], "test")
    stack.push_async_callback(client.close)
    database = Database(settings["LOYALNEST_POSTGRES_URL"], "points", pool=6)
    stack.push_async_callback(database.close)
    await database.make()
    await database.migrate()
    relay = Relay(PostgresOutbox(database), Publisher(client), clock)
    return postgres_units(
        database, relay, PostgresRedeeming, clock, IDS, input_keys=[b"k"], across_shops=across_shops
    )


async def mongo_on(
    storage: tuple[MongoServer, str], servers: Servers, clock: StandingClock,
    stack: AsyncExitStack, *, across_shops: bool = True,
) -> Units[Redeeming]:  # fmt: skip
    server, driver = storage
    client = await connect(servers.environment()["LOYALNEST_NATS_URL"], "test")
    stack.push_async_callback(client.close)
    watch = ShopsNamed()
    stack.callback(watch.check)
    database = MongoDatabase(server.url, "points", OF_POINTS, driver=driver, listeners=[watch])
    stack.push_async_callback(database.close)
    await database.migrate()
    relay = Relay(MongoOutbox(database), Publisher(client), clock)
    return mongo_units(
        database, relay, MongoRedeeming, clock, IDS, input_keys=[b"k"], across_shops=across_shops
    )


async def outcomes(*tries: Awaitable[object]) -> Count[str]:
    """How many ended how."""

    async def one(attempt: Awaitable[object]) -> str:
        try:
            await attempt
        except LoyaltyError as error:
            return type(error).__name__
        return "had"

    return Count(await asyncio.gather(*map(one, tries)))


async def patiently(attempt: Callable[[], Awaitable[object]]) -> None:
    """Who is told that there is no getting on at the moment tries again: for how long a thousand
    stand in line is up to the machine."""
    async with asyncio.timeout(600):
        while True:
            with suppress(Unavailable):
                await attempt()
                return


@pytest.mark.slow
async def test_a_thousand_at_once_never_overspend_a_wallet(counter: Counter) -> None:
    await counter.give(5_400)
    reward = await counter.offer()
    found = await outcomes(*(patiently(lambda: counter.reserve(reward)) for _ in range(1_000)))
    assert found == {"had": 10, InsufficientPoints.__name__: 990}
    assert await counter.wallet() == Wallet(spendable=400, spent=5_000)


async def test_the_last_of_a_stock_goes_to_one(counter: Counter) -> None:
    names = [f"c{number}" for number in range(20)]
    for name in names:
        await counter.give(500, name)
    reward = await counter.offer(stock=3)
    tries = [partial(counter.reserve, reward, name=name) for name in names]
    found = await outcomes(*map(patiently, tries))
    assert found == {"had": 3, RewardUnavailable.__name__: 17}
    assert (
        sorted([(await counter.wallet(name)).spendable for name in names]) == [0] * 3 + [500] * 17
    )
    async with counter.units() as unit:
        kept = await unit.stores.reward(RewardKey(counter.merchant, reward))
    assert kept is not None
    assert kept.taken == 3


async def test_a_limit_holds_for_many_tries_at_once(counter: Counter) -> None:
    await counter.give(50_000)
    twice = await counter.offer(per_member=2)
    weekly = await counter.offer(per_window=3, window_days=7)
    both = [partial(counter.reserve, reward) for _ in range(10) for reward in (twice, weekly)]
    assert await outcomes(*map(patiently, both)) == {"had": 5, LimitReached.__name__: 15}


async def test_a_cancellation_and_an_order_at_once_have_one_winner(counter: Counter) -> None:
    await counter.give(5_000)
    for number in range(8):
        bought = await counter.redeem(await counter.offer(member_may_cancel=True))
        used = counter.order(f"o{number}", discount_codes=[bought.code])
        await outcomes(
            counter.cancel(bought), counter.happen(used), counter.cancel(bought),
            counter.happen(used), counter.cancel(bought, counter.customer()),
        )  # fmt: skip
        assert await counter.state(bought) is S.USED
    wallet = await counter.wallet()
    assert (wallet.spendable, wallet.spent) == (5_000 - 8 * 500 + 8 * 15, 4_000)


async def test_points_come_back_once_however_many_bring_them(counter: Counter) -> None:
    await counter.give(1_000)
    bought = await counter.redeem(await counter.offer(stock=5))
    order = counter.order(discount_codes=[bought.code])
    await counter.happen(order)
    refunds = [counter.refund(f"r{number}", "5") for number in range(3)]
    await asyncio.gather(*(counter.happen(each) for each in [*refunds, order] * 4))
    assert await counter.wallet() == Wallet(spendable=1_000)


async def test_a_code_that_was_used_after_all_costs_its_points_again(counter: Counter) -> None:
    """The shop told of the order when the points were back and spent on something else."""
    await counter.give(500)
    reward = await counter.offer(stock=2)
    first = await counter.redeem(reward)
    await counter.cancel(first)
    second = await counter.redeem(reward)
    order = counter.order(discount_codes=[first.code])
    await asyncio.gather(*(counter.happen(order) for _ in range(4)))
    assert await counter.wallet() == Wallet(spendable=15 - 500, spent=1_000)
    assert await counter.state(first) is S.USED
    cancelled = counter.order(cancelled_at=counter.clock.at)
    await asyncio.gather(*(counter.happen(order, cancelled) for _ in range(4)))
    assert await counter.wallet() == Wallet(spendable=0, spent=500)
    assert await counter.state(second) is S.COMPLETED


async def test_two_loops_do_not_do_the_same(counter: Counter) -> None:
    await counter.give(5_000)
    reward = await counter.offer()
    reserved = [await counter.reserve(reward) for _ in range(6)]
    counter.clock.advance(minutes=1)
    await asyncio.gather(*(counter.fulfilment.run() for _ in range(4)))
    assert {await counter.state(each) for each in reserved} == {S.COMPLETED}
    mine = [one for one in counter.shopify.issued if str(counter.merchant) in one]
    assert len(mine) == counter.shopify.tries == 6


async def test_a_redemption_is_kept_as_it_is(counter: Counter) -> None:
    await counter.give(1_000)
    bought = await counter.redeem(await counter.offer(minimum_subtotal="12.30"))
    key = RedemptionKey(counter.merchant, bought.redemption_id)
    async with counter.units() as unit:
        stores = unit.stores
        found = await stores.lock_redemption(key)
        assert found is not None
        assert found == await stores.redemption(key)
        assert await stores.redemption(key._replace(merchant_id=uuid4())) is None
        changed = replace(
            found, state=S.USED, due_at=None, taken=False, took_stock=True, tries=3,
            external_id="gid://1", order_id="o9", reason="because", for_expiry=True,
            paid_by=uuid4(),
        )  # fmt: skip
        await stores.save_redemptions([changed])
    async with counter.units() as unit:
        assert await unit.stores.redemption(key) == changed
        by_code = CodeKey(counter.merchant, found.code_digest)
        by_order = OrderKey(counter.merchant, "o9")
        assert list(await unit.stores.lock_used([by_code], [])) == [changed]
        assert list(await unit.stores.lock_used([], [by_order])) == [changed]
        assert list(await unit.stores.lock_used([by_code, by_code], [by_order])) == [changed]
        stranger = uuid4()
        nothing = await unit.stores.lock_used(
            [by_code._replace(merchant_id=stranger), by_code._replace(code_digest="")],
            [by_order._replace(merchant_id=stranger), by_order._replace(order_id="")],
        )
        assert list(nothing) == []


async def test_a_reward_is_kept_by_versions(counter: Counter) -> None:
    reward_id = await counter.offer(
        stock=2, tiers=["Gold"], ends_at=counter.clock.at + timedelta(days=9), amount="5.25"
    )
    key = RewardKey(counter.merchant, reward_id)
    async with counter.units() as unit:
        stores = unit.stores
        first = await stores.reward(key)
        assert first is not None
        assert await stores.take_stock(key)
        newer = replace(first, version=2, archived=True, terms=replace(first.terms, stock=1))
        assert await stores.save_reward(newer)
        assert not await stores.save_reward(newer)
        assert not await stores.take_stock(key)
        assert await stores.reward(key) == replace(newer, taken=1)
        await stores.give_stock_back(key)
        assert await stores.take_stock(key)
        assert not await stores.save_reward(replace(newer, version=3, reward_id=uuid4()))
        assert await stores.reward(key._replace(merchant_id=uuid4())) is None


async def test_lists_are_of_the_shop_newest_first(counter: Counter) -> None:
    made = [await counter.offer(enabled=number != 1) for number in range(3)]
    async with counter.units() as unit:

        async def rewards(offered: bool, before: UUID | None, limit: int) -> list[UUID]:
            asked = RewardsAsked(counter.merchant, offered, before, limit)
            return [each.reward_id for each in await unit.stores.rewards(asked)]

        assert await rewards(False, None, 2) == [made[2], made[1]]
        assert await rewards(False, made[1], 2) == [made[0]]
        assert await rewards(True, None, 9) == [made[2], made[0]]


async def test_redemptions_follow_their_member(counter: Counter) -> None:
    """Who was merged into another has the other's redemptions, and the other has theirs."""
    await counter.give(1_000, "c1")
    await counter.give(500, "c2")
    reward = await counter.offer(per_member=3)
    old, new = (counter.customer(name).customer_id for name in ("c1", "c2"))
    assert old is not None
    assert new is not None
    bought = await counter.redeem(reward)
    theirs = await counter.redeem(reward, name="c2")
    async with counter.units() as unit:
        stores = unit.stores
        await stores.merge(counter.merchant, [ToldMerge(old, new, 1)])

        async def of(member: UUID | None, state: S | None = None) -> list[UUID]:
            asked = RedemptionsAsked(counter.merchant, member, state, None, 9)
            return [each.redemption_id for each in await stores.redemptions(asked)]

        both = [theirs.redemption_id, bought.redemption_id]
        assert await of(old) == await of(new) == await of(None) == both
        assert await of(new, S.COMPLETED) == both
        assert await of(new, S.USED) == await of(uuid4()) == []
        windows = {reward: counter.clock.at, uuid4(): counter.clock.at}
        tally = await stores.tally(WalletKey(counter.merchant, new), windows)
        assert list(tally.values()) == [Tally(2, 0), Tally()]
    seen = await counter.redeemer.page(counter.customer("c2"), ListRedemptions())
    assert {each.redemption_id for each in seen.redemptions} == set(both)
    # What comes back of the old one's is the new one's, beside what the old one has left.
    await counter.cancel(bought)
    assert await counter.wallet("c2") == Wallet(spendable=1_000, spent=500)


async def test_what_is_due_is_handed_out_once(counter: Counter) -> None:
    await counter.give(500)
    reserved = await counter.reserve(await counter.offer())
    key = RedemptionKey(counter.merchant, reserved.redemption_id)
    now = counter.clock.at + timedelta(minutes=1)
    lease = now + timedelta(minutes=5)

    async def due(at: Any) -> bool:
        async with counter.units() as unit:
            return key in await unit.stores.take_due(at, lease, 100_000)

    assert not await due(counter.clock.at)
    assert sum(await asyncio.gather(*(due(now) for _ in range(5)))) == 1
    assert not await due(lease - timedelta(seconds=1))
    assert await due(lease)


async def test_doubts_are_counted(counter: Counter) -> None:
    await counter.give(500)
    reserved = await counter.reserve(await counter.offer())
    key = RedemptionKey(counter.merchant, reserved.redemption_id)
    async with counter.units() as unit:
        before = await unit.stores.count_in_doubt()
        found: Redemption | None = await unit.stores.lock_redemption(key)
        assert found is not None
        await unit.stores.save_redemptions([replace(found, state=S.IN_DOUBT, due_at=None)])
        assert await unit.stores.count_in_doubt() == before + 1
        await unit.stores.save_redemptions([replace(found, state=S.RELEASED, due_at=None)])
