"""One suite over every store for a balance that several stores share."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from contracts import rewards as said
from contracts.caller import Audience, Caller
from contracts.organizations import MEMBER_LINKED, MemberLinked
from contracts.points import BalanceOf, HistoryOf, StoreBalance
from contracts.rewards import ListOffers
from contracts.shop import member_id
from contracts.statements import Reverse
from contracts.users import CUSTOMER_MERGED, CustomerMerged
from domain.errors import InvalidRequest, Unavailable
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.lot import Life
from domain.points.pooling import IN, OUT
from domain.points.reversal import NotReversible
from domain.points.rewards import RewardUnavailable
from domain.points.wallet import InsufficientPoints, Wallet
from domain.program import defaults
from infra.embedded.servers import Servers
from ports.ledger import NewEntry, PostedEntry, WalletKey
from ports.tenancy import OtherShops, also_within, within
from ports.unit import Units
from services.points.merging import apply_merges
from services.points.next_expiry import next_expiries
from services.points.posting import post
from services.points.redeeming import Prepared
from services.points.reversing import reverse
from tests.ports.conftest import Storage
from tests.ports.test_rewards import IDS, mongo_on, outcomes, patiently, postgres
from tests.services.counter import Counter
from tests.services.given import StandingClock
from tests.services.sharing import Stores, received


@pytest.fixture
async def stores(storage: Storage, servers: Servers) -> AsyncIterator[Stores]:
    """With two sets of connections where there are any, as two processes have them."""
    clock = StandingClock()
    if storage == "memory":
        units: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, clock, IDS)
        yield Stores(units, units, clock)
        return
    async with AsyncExitStack() as stack:

        async def opened(*, across_shops: bool) -> Units[Any]:
            processes = [
                await postgres(servers, clock, stack, across_shops=across_shops)
                if isinstance(storage, str)
                else await mongo_on(storage, servers, clock, stack, across_shops=across_shops)
                for _ in range(2)
            ]
            return lambda: random.choice(processes)()

        yield Stores(await opened(across_shops=True), await opened(across_shops=False), clock)


async def test_what_is_missing_here_comes_from_another_store(stores: Stores) -> None:
    here, there, _ = stores.all
    await stores.link()
    await here.give(300)
    await there.give(700)
    bought = await here.redeem(await here.offer())
    assert bought.points == 500
    assert await stores.spendable() == [0, 500, 0]
    assert await here.wallet() == Wallet(spendable=0, spent=500)
    assert await there.wallet() == Wallet(spendable=500)
    assert here.moved == [200]
    spent, came, *_ = await stores.entries(here)
    went, *_ = await stores.entries(there)
    assert (spent.draft.kind, spent.draft.points) == (EntryKind.REDEEM, -500)
    for entry, points, reason, other in ((came, 200, IN, there), (went, -200, OUT, here)):
        draft = entry.draft
        assert (draft.kind, draft.source) == (EntryKind.TRANSFER, Source.POOL)
        assert (draft.points, draft.reason, draft.rule) == (points, reason, str(other.merchant))
    assert came.draft.source_ref == went.draft.source_ref
    assert came.draft.uses == went.draft.uses
    assert (await stores.balance(here)).spendable == (await stores.balance(there)).spendable == 500


async def test_nothing_is_moved_for_what_this_store_has_itself(stores: Stores) -> None:
    await stores.link()
    await stores.here.give(500)
    await stores.there.give(500)
    await stores.here.redeem(await stores.here.offer())
    assert await stores.spendable() == [0, 500, 0]
    assert [each.draft.source for each in await stores.entries(stores.there)] == ["adjust"]
    assert stores.here.moved == [0]


async def test_who_is_no_member_here_yet_spends_what_is_elsewhere(stores: Stores) -> None:
    await stores.link()
    await stores.elsewhere.give(600)
    await stores.here.redeem(await stores.here.offer())
    assert await stores.spendable() == [0, 0, 100]


async def test_what_expires_first_comes_first_and_expires_when_it_would_have(
    stores: Stores,
) -> None:
    await stores.link()
    now = stores.clock.now()
    soon, later, last = (now + timedelta(days=days) for days in (1, 9, 30))
    here, there, elsewhere = stores.all
    kept = await stores.gain(here, 100)
    a = await stores.gain(there, 150, later)
    b = await stores.gain(there, 100, last)
    c = await stores.gain(elsewhere, 120, soon)
    d = await stores.gain(elsewhere, 100)
    bought = await here.redeem(await here.offer(cost=400, member_may_cancel=True))
    # 300 were missing: all of c, all of a, and 30 of b before d, which never expires.
    assert await stores.lots(there) == [(b, 70, last)]
    assert await stores.lots(elsewhere) == [(d, 100, None)]
    assert await stores.lots(here) == []
    # What comes back stays where it was spent, and lives no longer there.
    await here.cancel(bought)
    assert await stores.lots(here) == [
        (c, 120, soon), (a, 150, later), (b, 30, last), (kept, 100, None),
    ]  # fmt: skip
    assert await stores.spendable() == [400, 70, 100]


async def test_of_a_lot_that_is_in_several_stores_the_first_by_id_gives_first(
    stores: Stores,
) -> None:
    first, second, third = sorted(stores.all, key=lambda each: each.merchant)
    cheap, dear = await first.offer(cost=40), await third.offer(cost=50)
    for name in map("c{}".format, range(1, 9)):  # a store's own order would be right by chance
        await stores.link(name=name, pool_id=uuid4())
        await second.give(100, name)
        await first.cancel(await first.redeem(cheap, name=name))
        await third.redeem(dear, name=name)
        left = [(await each.wallet(name)).spendable for each in (first, second)]
        assert left == [0, 50]


async def test_each_lot_comes_from_where_it_was_in_whatever_order_stores_say_so(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def backwards(*what: Any) -> Sequence[PostedEntry]:
        return [*reversed(await post(*what))]

    monkeypatch.setattr("services.points.pooling.post", backwards)
    await stores.link()
    soon, later = (stores.clock.now() + timedelta(days=days) for days in (1, 9))
    a = await stores.gain(stores.there, 150, later)
    c = await stores.gain(stores.elsewhere, 120, soon)
    here = stores.here
    await here.cancel(await here.redeem(await here.offer(cost=270, member_may_cancel=True)))
    assert await stores.lots(here) == [(c, 120, soon), (a, 150, later)]


async def test_a_wallet_of_very_many_lots_gives_those_that_expire_first(stores: Stores) -> None:
    await stores.link()
    here, there, _ = stores.all
    now = stores.clock.now()
    key = WalletKey(there.merchant, there.member)
    entries = [
        NewEntry(
            IDS.new(), key, EntryDraft(EntryKind.ADJUST, 2, "x", "adjust", str(uuid4()), ""), now,
            life=Life(now + timedelta(days=1 + number)),
        )
        for number in range(400)
    ]  # fmt: skip
    random.Random(7).shuffle(entries)
    async with stores.units() as unit:
        await unit.stores.post(entries)
    await here.redeem(await here.offer(cost=601))
    left = await stores.lots(there)
    assert [points for _, points, _ in left] == [1] + [2] * 99
    assert left[0][2] == now + timedelta(days=301)


async def test_a_debt_in_one_store_is_a_debt_in_all(stores: Stores) -> None:
    await stores.link()
    here, there, elsewhere = stores.all
    await stores.gain(here, -50, kind=EntryKind.REFUND)
    await there.give(100)
    await elsewhere.give(30)
    fifty = await here.offer(cost=50)
    assert (await stores.balance(there)).spendable == 80
    await here.redeem(fifty)
    # The debt was paid by what came first.
    assert await stores.spendable() == [0, 0, 30]
    await stores.gain(elsewhere, -100, kind=EntryKind.REFUND)
    await there.give(100)
    assert (await stores.balance(there)).spendable == 30
    with pytest.raises(InsufficientPoints):
        await there.redeem(await there.offer(cost=31))
    await there.redeem(await there.offer(cost=30))
    assert await stores.spendable() == [0, 70, -70]


async def test_only_what_all_have_together_can_be_spent(stores: Stores) -> None:
    await stores.link()
    for counter in stores.all:
        await counter.give(166)
    with pytest.raises(InsufficientPoints):
        await stores.here.redeem(await stores.here.offer(cost=499))
    assert await stores.spendable() == [166, 166, 166]
    await stores.here.redeem(await stores.here.offer(cost=498))
    assert await stores.spendable() == [0, 0, 0]


async def test_a_purchase_that_fails_moves_nothing(stores: Stores) -> None:
    await stores.link()
    await stores.here.give(500)
    await stores.there.give(1_000)
    reward = await stores.here.offer(stock=1)
    await stores.here.redeem(reward)
    with pytest.raises(RewardUnavailable):
        await stores.here.redeem(reward)
    assert await stores.spendable() == [0, 1_000, 0]
    assert len(await stores.entries(stores.there)) == 1


async def test_the_highest_version_says_who_shares_in_any_order(stores: Stores) -> None:
    here, there, elsewhere = stores.all
    for counter in stores.all:
        await counter.give(100)

    async def shared(counter: Counter) -> int:
        return (await stores.balance(counter)).spendable

    await stores.link(here, there, version=5)
    assert await shared(here) == await shared(there) == 200
    assert await shared(elsewhere) == 100
    await stores.unlink(there, version=4)
    await stores.link(there, pool_id=uuid4(), version=3)
    assert await shared(here) == 200
    await stores.unlink(there, version=7)
    await stores.link(there, version=6)
    await stores.link(there, version=7)
    assert await shared(here) == await shared(there) == 100
    # Who is linked to another pool has left the one before, whether that was heard or not.
    await stores.link(elsewhere, version=1)
    other = uuid4()
    await stores.link(there, pool_id=other, version=8)
    assert await shared(here) == 200
    await stores.link(here, pool_id=other, version=9)
    assert await shared(here) == await shared(there) == 200
    assert await shared(elsewhere) == 100
    told = [
        received(
            MEMBER_LINKED,
            MemberLinked(
                customer_id=elsewhere.member, pool_id=pool, organization_id=stores.organization,
                version=version, occurred_at=stores.clock.now(),
            ),
            elsewhere.merchant,
        )
        for pool, version in ((stores.pool, 10), (other, 12), (uuid4(), 11))
    ]  # fmt: skip
    await stores.hear(*told)
    assert await shared(elsewhere) == 300
    # The same pool in another organisation is another pool.
    await stores.link(elsewhere, pool_id=other, organization_id=uuid4(), version=13)
    assert await shared(elsewhere) == 100


async def test_once_unlinked_nothing_is_shared_and_points_stay(stores: Stores) -> None:
    await stores.link()
    here, there, _ = stores.all
    await there.give(800)
    await here.redeem(await here.offer())
    await stores.unlink(here)
    assert await stores.spendable() == [0, 300, 0]
    with pytest.raises(InsufficientPoints):
        await here.redeem(await here.offer(cost=1))
    assert (await stores.balance(here)).stores == ()
    assert (await stores.balance(there)).spendable == 300


async def test_of_two_in_one_shop_the_one_who_was_linked_last_shares(stores: Stores) -> None:
    """The news that the other has left may be on its way."""
    here, there, _ = stores.all
    await here.give(1, "c1")
    await here.give(20, "c2")
    await there.give(300)
    await stores.link(here, there)
    stores.clock.advance(minutes=1)
    await stores.link(here, name="c2")
    assert (await stores.balance(there)).spendable == 320
    assert (await stores.balance(here, "c2")).spendable == 320
    assert (await stores.balance(here, "c1")).spendable == 1
    with pytest.raises(InsufficientPoints):
        await here.redeem(await here.offer(cost=2), name="c1")
    await there.redeem(await there.offer(cost=310))
    assert (await here.wallet("c1")).spendable == 1
    assert (await here.wallet("c2")).spendable == 10


async def test_of_merged_members_the_one_who_stays_keeps_the_pool(stores: Stores) -> None:
    here, there, elsewhere = stores.all
    await stores.link(here, there)
    await stores.link(here, elsewhere, name="c2", pool_id=uuid4())
    await here.give(100, "c1")
    await here.give(20, "c2")
    await there.give(3_000)
    await elsewhere.give(50_000, "c2")
    merged = CustomerMerged(
        kept_id=member_id(here.merchant, "c2"), merged_id=member_id(here.merchant, "c1"),
        version=1, occurred_at=stores.clock.now(),
    )  # fmt: skip
    async with stores.units() as unit:
        await apply_merges(unit, [received(CUSTOMER_MERGED, merged, here.merchant)])
    # Under either id, it is the pool of who stays.
    for name in ("c1", "c2"):
        assert (await stores.balance(here, name)).spendable == 50_120
    assert (await stores.balance(elsewhere, "c2")).spendable == 50_120
    assert (await stores.balance(there)).spendable == 3_000
    here.members.merged = {merged.merged_id: merged.kept_id}
    await here.redeem(await here.offer(cost=10_000), name="c1")
    assert (await elsewhere.wallet("c2")).spendable == 50_120 - 10_000
    assert (await there.wallet()).spendable == 3_000
    await stores.unlink(here, "c2")
    assert (await stores.balance(here, "c1")).spendable == 0


async def test_a_move_is_not_undone_by_hand(stores: Stores) -> None:
    await stores.link()
    here, there, _ = stores.all
    await there.give(500)
    bought = await here.redeem(await here.offer())
    for counter in (here, there):
        moved = next(
            each for each in await stores.entries(counter) if each.draft.source == Source.POOL
        )
        request = Reverse(customer_id=counter.member, entry_id=moved.entry_id, reason="oops")
        with pytest.raises(NotReversible, match="between stores"):
            async with stores.units() as unit:
                await reverse(unit, counter.staff, request)
    await here.cancel(bought)
    assert await stores.spendable() == [500, 0, 0]


async def test_a_shared_balance_says_what_is_where(stores: Stores) -> None:
    here, there, elsewhere = stores.all
    now = stores.clock.now()
    await stores.gain(here, 100, now + timedelta(days=3))
    alone = await stores.balance(here)
    assert alone.stores == ()
    assert (alone.spendable, alone.next_expiry_points) == (100, 100)
    await stores.link()
    await stores.gain(there, 40, now + timedelta(days=2))
    await stores.gain(there, 7, now + timedelta(days=2), pending=True)
    await stores.gain(elsewhere, 5, now + timedelta(days=2))
    await here.redeem(await here.offer(cost=60))
    found = await stores.balance(there)
    assert found.customer_id == there.member
    assert (found.spendable, found.pending, found.spent, found.expired) == (85, 7, 60, 0)
    assert found.lifetime == 152
    assert (found.next_expiry_at, found.next_expiry_points) == (now + timedelta(days=2), 45)
    by_store = {each.store: each for each in found.stores}
    assert by_store == {
        here.merchant: store(here, spendable=40, spent=60, lifetime=100),
        there.merchant: store(there, spendable=40, pending=7, lifetime=47),
        elsewhere.merchant: store(elsewhere, spendable=5, lifetime=5),
    }
    assert [each.store for each in found.stores] == sorted(by_store)
    with within([here.merchant]):
        own = await here.redeemer.points(here.customer(), BalanceOf())
    assert (own.spendable, own.stores) == (85, found.stores)


async def test_what_a_member_has_here_is_what_the_ledger_says_one_by_one(stores: Stores) -> None:
    here, there, _ = stores.all
    shop, now = here.merchant, stores.clock.now()
    program = replace(defaults("USD"), version=1, time_zone="Pacific/Auckland")
    async with stores.units() as unit:
        await unit.stores.learn_programs({shop: program})
    await stores.gain(here, 30, now + timedelta(days=5))
    await stores.gain(here, 7)
    await stores.gain(here, 4, pending=True)
    await here.redeem(await here.offer(cost=2))
    idle = NewEntry(
        IDS.new(), WalletKey(shop, member_id(shop, "c2")),
        EntryDraft(EntryKind.ADJUST, 11, "x", "adjust", str(uuid4()), ""), now, life=Life(None, 3),
    )  # fmt: skip
    async with stores.units() as unit:
        await unit.stores.post([idle])
    await agrees(stores, here, linked=False)
    merged = CustomerMerged(
        kept_id=member_id(shop, "c1"), merged_id=member_id(shop, "c2"), version=1, occurred_at=now
    )
    async with stores.units() as unit:
        await apply_merges(unit, [received(CUSTOMER_MERGED, merged, shop)])
    await agrees(stores, here, linked=False)
    await stores.link(here, there)
    await agrees(stores, here, linked=True)
    await stores.unlink(here)
    await agrees(stores, here, linked=False)


async def agrees(stores: Stores, counter: Counter, *, linked: bool) -> None:
    shop = counter.merchant
    for name in ("c1", "c2", "nobody"):
        customer_id = member_id(shop, name)
        key = WalletKey(shop, customer_id)
        async with stores.units() as unit:
            account = await unit.stores.account(key)
            assert account.wallet == await unit.stores.wallet(key)
            assert account.next_expiry == (await next_expiries(unit, shop, [customer_id])).get(
                customer_id
            )
            assert account.linked is bool(await unit.stores.pool(key))
            assert account.linked is (linked and name != "nobody")


def store(counter: Counter, **figures: int) -> StoreBalance:
    none = {"spendable": 0, "pending": 0, "lifetime": 0, "spent": 0, "expired": 0}
    return StoreBalance(store=counter.merchant, **none | figures)


async def test_what_is_offered_goes_by_the_shared_balance(stores: Stores) -> None:
    await stores.there.give(500)
    await stores.here.offer()
    counter = stores.here

    async def is_affordable() -> bool:
        with within([counter.merchant]):
            (found,) = (await counter.offering.offers(counter.customer(), ListOffers())).offers
        return found.affordable

    assert not await is_affordable()
    await stores.link()
    assert await is_affordable()


async def test_a_history_is_of_one_store_or_of_all_page_by_page(stores: Stores) -> None:
    await stores.link()
    here, there, _ = stores.all
    for number in range(5):
        await here.give(10 + number)
        await there.give(100 + number)
    await here.redeem(await here.offer(cost=70))

    async def entries(**asked: Any) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            request = HistoryOf(cursor=cursor, limit=3, **asked)
            with within([here.merchant]):
                page = await stores.accounts.history(here.customer(), request)
            found += page.entries
            cursor = page.next_cursor
            if cursor is None:
                return found

    own = await entries()
    assert [each.points for each in own] == [-70, 10, 14, 13, 12, 11, 10]
    assert {each.store for each in own} == {here.merchant}
    assert [each.other_store for each in own if each.source == Source.POOL] == [there.merchant]
    both = await entries(all_stores=True)
    assert [each.entry_id for each in both] == sorted((e.entry_id for e in both), reverse=True)
    assert [each.points for each in both if each.store == there.merchant] == [
        -10, 104, 103, 102, 101, 100,
    ]  # fmt: skip
    assert [each for each in both if each.store == here.merchant] == own
    assert sum(each.points for each in both) == (await stores.balance(here)).spendable


async def test_staff_sees_what_happened_in_its_own_store_alone(stores: Stores) -> None:
    await stores.link()
    await stores.there.give(5)
    request = HistoryOf(customer_id=stores.here.member, all_stores=True)
    with within([stores.here.merchant]), pytest.raises(InvalidRequest) as refused:
        await stores.accounts.history(stores.here.staff, request)
    assert [each.pointer for each in refused.value.problems] == ["/all_stores"]


@pytest.mark.slow
async def test_hundreds_at_once_in_two_stores_never_overspend_what_they_share(
    stores: Stores,
) -> None:
    await stores.link()
    here, there, elsewhere = stores.all
    await here.give(2_100)
    await there.give(1_900)
    await elsewhere.give(1_400)
    offers = [await here.offer(), await there.offer()]
    tries = [(here, offers[0]), (there, offers[1])] * 200
    random.Random(3).shuffle(tries)
    attempts = [partial(counter.reserve, reward) for counter, reward in tries]
    found = await outcomes(*map(patiently, attempts))
    assert found == {"had": 10, InsufficientPoints.__name__: 390}
    wallets = [await each.wallet() for each in stores.all]
    assert sum(each.spendable for each in wallets) == 400
    assert sum(each.spent for each in wallets) == 5_000
    assert all(each.spendable >= 0 for each in wallets)
    for counter, wallet in zip(stores.all, wallets, strict=True):
        entries = await stores.entries(counter)
        assert sum(each.draft.points for each in entries) == wallet.spendable
        assert sum(points for _, points, _ in await stores.lots(counter)) == wallet.spendable
    moved = [each.draft for counter in stores.all for each in await stores.entries(counter)]
    assert sum(each.points for each in moved if each.source == Source.POOL) == 0


async def test_who_leaves_while_others_spend_has_left_before_or_after(stores: Stores) -> None:
    here, there, _ = stores.all
    reward = await here.offer(cost=100)
    for version in range(1, 11, 2):
        await stores.link(here, there, version=version)
        await there.give(200)
        found, _ = await asyncio.gather(
            outcomes(*(here.reserve(reward) for _ in range(6))),
            stores.unlink(there, version=version + 1),
        )
        assert found.keys() <= {"had", InsufficientPoints.__name__, Unavailable.__name__}
        assert found["had"] <= 2
        left = await there.wallet()
        assert left.spendable == 200 - 100 * found["had"]
        assert (await here.wallet()).spendable == 0
        await stores.gain(there, -left.spendable) if left.spendable else None


async def test_who_shares_is_asked_again_while_the_wallets_are_held(stores: Stores) -> None:
    """Between finding out which shops share and the transaction about them, somebody may leave, and
    gives nothing any more, or join."""
    here, there, elsewhere = stores.all
    await stores.link(here, there)
    await there.give(300)
    await elsewhere.give(100)
    reward = await here.offer(cost=300)
    caller, request = here.customer(), said.RedeemPoints(reward_id=reward)

    async def redeem(prepared: Prepared) -> None:
        with within([here.merchant]), also_within(prepared.shops or ()):
            async with here.units() as unit:
                await here.redeemer.reserve(unit, caller, request, prepared)

    with within([here.merchant]):
        prepared = await here.redeemer.prepare(caller, request)
        with pytest.raises(OtherShops):
            await redeem(prepared)
        others = await here.redeemer.others(caller, prepared)
        assert sorted(others) == sorted((here.merchant, there.merchant))
    await stores.unlink(there)
    await stores.link(elsewhere)
    with pytest.raises(InsufficientPoints):
        await redeem(prepared)
    await stores.link(there, version=3)
    await redeem(prepared)
    wallets = [await each.wallet() for each in stores.all]
    assert [each.spendable + each.spent for each in wallets] == [300, 0, 100]


async def test_orders_that_earn_are_not_held_up_by_who_spends_elsewhere(stores: Stores) -> None:
    """Both lock wallets of several shops at once, in one order."""
    await stores.link()
    here, there, elsewhere = stores.all
    await there.give(5_000)
    reward = await here.offer(cost=100)

    async def earn(number: int) -> None:
        keys = [WalletKey(each.merchant, each.member) for each in (elsewhere, there, here)]
        async with stores.units() as unit:
            await unit.stores.lock_wallets(keys)
            entries = [
                NewEntry(
                    unit.new_id(), key,
                    EntryDraft(EntryKind.EARN, 1, "x", "order", f"{number}", "", order_id="o"),
                    unit.now(),
                )
                for key in keys
            ]  # fmt: skip
            await unit.stores.post(entries)

    await asyncio.gather(
        *(earn(number) for number in range(20)), *(here.reserve(reward) for _ in range(20))
    )
    wallets = [await each.wallet() for each in stores.all]
    assert sum(each.spendable for each in wallets) == 5_000 + 60 - 2_000
    assert wallets[0].spent == 2_000


async def test_staff_may_spend_for_a_member(stores: Stores) -> None:
    await stores.link()
    here, there, _ = stores.all
    await there.give(500)
    request = said.RedeemPoints(reward_id=await here.offer(), customer_id=here.member)
    staff = Caller(audience=Audience.MERCHANT, actor="s", merchant_id=here.merchant)
    with within([here.merchant]):
        prepared = await here.redeemer.prepare(staff, request)
        others = await here.redeemer.others(staff, prepared)
        assert sorted(others) == sorted(each.merchant for each in stores.all)
        with also_within(others):
            async with here.units() as unit:
                unit.actor = staff.name
                await here.redeemer.reserve(unit, staff, request, prepared)
                told = {(each.subject.rpartition(".")[2], each.actor) for each in unit.outgoing}
    assert await stores.spendable() == [0, 0, 0]
    # Who it was is for their own shop to know.
    assert told == {(str(here.merchant), staff.name), (str(there.merchant), "")}
