"""Whoever works for a shop while it is moved: what is acknowledged goes along, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import choice
from uuid import uuid4

import pytest

from adapters.mongo.scope import Scope
from adapters.postgres import moving
from domain.errors import Unavailable
from domain.points.bonus import Buyer
from domain.points.moving import BUYERS, ENTRIES, Standing
from ports.earning import BuyerFacts, BuyerKey
from ports.ledger import WalletKey
from ports.moving import ShopMoving
from ports.tenancy import within
from tests.conftest import eventually
from tests.ports.moving.rig import Kept, Rig, a_life, other_than
from tests.ports.points_life import AT, OnMongo, entry
from tests.ports.stores import SYSTEM_CLOCK

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_who_lives_elsewhere_is_not_worked_for_and_others_are(rig: Rig, kept: Kept) -> None:
    shop, other = await a_life(kept), await a_life(kept)
    await rig.from_to(kept, other_than(rig, kept)).move(shop)
    with within([shop, other]), pytest.raises(ShopMoving) as refused:
        async with kept.units() as unit:
            await unit.stores.lock_wallets([WalletKey(other, uuid4())])
    assert refused.value.shops == {shop}
    with within([other]):
        async with kept.units() as unit:
            await unit.stores.lock_wallets([WalletKey(other, uuid4())])
    late = AT + timedelta(days=999)
    async with kept.across() as unit:
        due = {each.merchant_id for each in await unit.stores.take_due(late, late, 9999)}
        matured = {each.merchant_id for each in await unit.stores.take_matured(late, 9999)}
        ageing = {each.key.merchant_id for each in await unit.stores.take_ageing(late, 9999)}
        for found in (due, matured, ageing):
            assert other in found
            assert shop not in found
        await unit.stores.learn_buyers({BuyerKey(other, uuid4()): BuyerFacts(Buyer("", ""), 1)})


async def test_who_has_begun_on_postgresql_is_waited_for(rig: Rig) -> None:
    shop = await a_life(rig.postgres)
    member = WalletKey(shop, uuid4())
    with within([shop]):
        async with rig.postgres.units() as unit:
            await unit.stores.post([entry(member, 77)])
            moving = asyncio.create_task(rig.there.move(shop))
            _, waits = await asyncio.wait({moving}, timeout=0.5)
            assert waits
    moved = await moving
    assert moved.lives_there
    with within([shop]):
        async with rig.mongo.units() as unit:
            wallet = await unit.stores.wallet(member)
    assert wallet.spendable == 77


async def test_who_does_not_end_on_postgresql_keeps_the_shop_there(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_TRIES", 1)
    shop, other = await a_life(rig.postgres), uuid4()
    with within([other]):
        async with rig.postgres.units() as unit:
            await unit.stores.lock_wallets([WalletKey(other, uuid4())])
            with pytest.raises(Unavailable, match="does not end"):
                await rig.there.move(shop)
            # And those who come meanwhile only wait for a moment.
            async with rig.postgres.units() as another:
                await another.stores.lock_wallets([WalletKey(other, uuid4())])
    assert await rig.postgres.points.standing(shop) is Standing.HERE
    assert (await rig.there.move(shop)).lives_there


@pytest.mark.parametrize("locks", [True, False])
async def test_who_has_begun_on_mongodb_cannot_end(rig: Rig, locks: bool) -> None:
    """Whether it holds a lock of the shop, or writes what needs none."""
    shop = await a_life(rig.mongo)
    member = WalletKey(shop, uuid4())
    with within([shop]):
        with pytest.raises(Unavailable):  # noqa: PT012 - at the end of it
            async with rig.mongo.units() as unit:
                if locks:
                    await unit.stores.post([entry(member, 77)])
                else:
                    told = {BuyerKey(*member): BuyerFacts(Buyer("Gold", ""), 1)}
                    await unit.stores.learn_buyers(told)
                moved = await rig.back.move(shop)
        assert moved.lives_there
        assert (await rig.back.check(shop)).first is None
        async with rig.postgres.units() as unit:
            assert await unit.stores.wallet(member) is None
            assert await unit.stores.buyers([BuyerKey(*member)]) == {}


async def test_who_was_told_just_before_the_shop_left_cannot_commit_after(rig: Rig) -> None:
    """However little is between a transaction's look and its commit: where somebody has taken its
    locks away, nothing of it is written."""
    shop = await a_life(rig.mongo)
    member = WalletKey(shop, uuid4())
    scope = Scope(frozenset([shop]))
    with pytest.raises(Unavailable):  # noqa: PT012 - at the end of it
        async with rig.documents.transaction(scope, SYSTEM_CLOCK) as transaction:
            await transaction.enter()
            await OnMongo(transaction).post([entry(member, 77)])
            await rig.mongo.points.stand(shop, Standing.LEAVING)
            await rig.mongo.points.stand(shop, Standing.HERE)
    found = rig.documents.collection("points_transactions")
    assert await found.find_one({"merchant_id": shop, "customer_id": member.customer_id}) is None


@pytest.mark.parametrize("_again", range(3))
async def test_what_was_acknowledged_goes_along_and_nothing_else(
    rig: Rig, kept: Kept, _again: int
) -> None:
    """Many write while the shop leaves, with locks and without."""
    shop, there = uuid4(), other_than(rig, kept)
    members = [WalletKey(shop, uuid4()) for _ in range(3)]
    buyer = BuyerKey(*members[0])
    acknowledged: set[str] = set()
    learnt: list[int] = []

    async def post() -> None:
        new = entry(choice(members), 1)
        async with kept.units() as unit:
            await unit.stores.post([new])
        acknowledged.add(new.draft.source_ref)

    async def learn() -> None:
        version = len(learnt) + 1
        async with kept.units() as unit:
            await unit.stores.learn_buyers({buyer: BuyerFacts(Buyer("Gold", ""), version)})
        learnt.append(version)

    async def go_on(write: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await write()
            except ShopMoving:
                return
            except Unavailable:
                continue

    async def written() -> int:
        return min(len(acknowledged), 4 * len(learnt))

    with within([shop]):
        writers = [asyncio.create_task(go_on(each)) for each in (*[post] * 6, learn)]
        await eventually(written, lambda count: count >= 20)
        moved = await rig.from_to(kept, there).move(shop)
        await asyncio.gather(*writers)
    assert moved.lives_there
    now = SYSTEM_CLOCK.now()
    rows = [row async for row in there.points.rows(shop, ENTRIES, now)]
    assert {row["source_ref"] for row in rows} == acknowledged
    assert sum(int(row["points"] or 0) for row in rows) == len(acknowledged)
    (known,) = [row async for row in there.points.rows(shop, BUYERS, now)]
    assert known["version"] == max(learnt)
    await rig.verify(shop, there)
