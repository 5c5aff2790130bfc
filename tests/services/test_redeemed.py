"""What becomes of a redemption without servers: taken back, used, run out, refunded."""

from itertools import permutations
from typing import Any

import pytest

from domain.errors import NotFound
from domain.points.redemption import GIVE_UP, NotCancellable, RedemptionState
from domain.points.wallet import Wallet
from tests.services.memory_counter import Memory

S = RedemptionState


@pytest.fixture
def counter() -> Memory:
    return Memory()


async def test_staff_can_give_back_what_is_in_doubt(counter: Memory) -> None:
    await counter.give(500)
    counter.shopify.weather = ["unheard", "unheard"]
    bought = await counter.redeem(await counter.offer())
    await counter.later(seconds=int(GIVE_UP.total_seconds()) + 60)
    assert await counter.state(bought) is S.IN_DOUBT
    assert (await counter.cancel(bought)).state is S.CANCELLED
    assert await counter.wallet() == Wallet(spendable=500)


async def test_what_was_cancelled_while_it_was_issued_is_withdrawn(counter: Memory) -> None:
    """Two workers: the answer of one comes when the other has long given up."""
    await counter.give(500)
    counter.shopify.weather = ["", "unheard"]
    bought, prepared = await counter.begin(await counter.offer())

    async def meanwhile() -> None:
        counter.shopify.meanwhile = nothing
        await counter.later(seconds=int(GIVE_UP.total_seconds()) + 60)
        assert await counter.state(bought) is S.IN_DOUBT
        await counter.cancel(bought)

    nothing = counter.shopify.meanwhile
    counter.shopify.meanwhile = meanwhile
    found = await counter.redeemer.finish(counter.customer(), bought, prepared)
    assert found.state is S.CANCELLED
    assert not counter.shopify.withdrawn
    await counter.later(minutes=1)
    assert counter.shopify.withdrawn == counter.shopify.issued.keys()
    assert await counter.wallet() == Wallet(spendable=500)


async def test_an_unused_code_can_be_taken_back(counter: Memory) -> None:
    await counter.give(500)
    reward = await counter.offer(member_may_cancel=True, stock=1)
    bought = await counter.redeem(reward)
    assert (await counter.cancel(bought, counter.customer())).state is S.CANCELLED
    assert counter.shopify.withdrawn == counter.shopify.issued.keys()
    assert await counter.wallet() == Wallet(spendable=500)
    assert (await counter.cancel(bought, counter.customer())).state is S.CANCELLED  # a repeat
    assert (await counter.redeem(reward)).state is S.COMPLETED


async def test_members_take_back_what_the_reward_lets_them_only(counter: Memory) -> None:
    await counter.give(500)
    bought = await counter.redeem(await counter.offer())
    with pytest.raises(NotCancellable):
        await counter.cancel(bought, counter.customer())
    with pytest.raises(NotFound):
        await counter.cancel(bought, counter.customer("c2"))


async def test_a_used_code_is_not_taken_back(counter: Memory) -> None:
    """Shopify knows first; the order that carries it is told of later."""
    await counter.give(500)
    bought = await counter.redeem(await counter.offer())
    counter.shopify.used |= counter.shopify.issued.keys()
    with pytest.raises(NotCancellable):
        await counter.cancel(bought)
    assert await counter.state(bought) is S.COMPLETED
    await counter.happen(counter.order(discount_codes=[bought.code.lower()]))
    assert (await counter.see(bought)).order_id == "o1"
    with pytest.raises(NotCancellable):
        await counter.cancel(bought)
    assert (await counter.wallet()).spent == 500


@pytest.mark.parametrize("moment", ["before the answer", "after it"])
async def test_usage_wins_over_a_cancellation(counter: Memory, moment: str) -> None:
    await counter.give(500)
    bought = await counter.redeem(await counter.offer())

    async def meanwhile() -> None:
        if moment == "before the answer":
            await counter.happen(counter.order(discount_codes=[bought.code]))

    counter.shopify.meanwhile = meanwhile
    try:
        await counter.cancel(bought)
    except NotCancellable:
        assert moment == "before the answer"
    await counter.happen(counter.order(discount_codes=[bought.code]))
    assert await counter.state(bought) is S.USED
    wallet = await counter.wallet()
    assert (wallet.spendable, wallet.spent) == (15, 500)  # 15 are the order's own


async def test_the_shop_may_be_quicker_than_our_own_books(counter: Memory) -> None:
    """The order is told of while the answer of Shopify is on its way."""
    await counter.give(500)

    async def meanwhile() -> None:
        (issued,) = counter.shopify.issued.values()
        await counter.happen(counter.order(discount_codes=[issued.code]))

    counter.shopify.meanwhile = meanwhile
    bought = await counter.redeem(await counter.offer())
    assert (bought.state, bought.order_id) == (S.USED, "o1")
    assert counter.said.count("redemption.used") == 1
    assert "redemption.completed" not in counter.said


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_code_runs_out(counter: Memory, comes_back: bool) -> None:
    await counter.give(500)
    reward = await counter.offer(code_days=30, returns_on_expiry=comes_back)
    bought = await counter.redeem(reward)
    await counter.later(days=29)
    assert await counter.state(bought) is S.COMPLETED
    counter.shopify.weather = ["away", "lost"] if comes_back else []
    await counter.later(days=2)
    for _ in range(3):
        await counter.later(minutes=10)
    assert await counter.state(bought) is S.EXPIRED
    assert (await counter.wallet()).spendable == (500 if comes_back else 0)
    assert (await counter.see(bought)).code == ""


async def test_points_of_a_used_code_do_not_come_back_when_it_runs_out(counter: Memory) -> None:
    await counter.give(500)
    bought = await counter.redeem(await counter.offer(code_days=30, returns_on_expiry=True))
    counter.shopify.used |= counter.shopify.issued.keys()
    await counter.later(days=31)
    assert await counter.state(bought) is S.EXPIRED
    await counter.happen(counter.order(discount_codes=[bought.code]))
    assert await counter.state(bought) is S.USED
    wallet = await counter.wallet()
    assert (wallet.spendable, wallet.spent) == (15, 500)


async def test_a_full_refund_brings_everything_back(counter: Memory) -> None:
    """1000, less 500 for a voucher of 5, and 15 for 20 less the voucher; in any order of events."""
    pieces: list[Any] = []

    async def bought() -> Memory:
        fresh = Memory()
        await fresh.give(1000)
        code = (await fresh.redeem(await fresh.offer(stock=1))).code
        pieces[:] = [
            fresh.order(discount_codes=[code]),
            fresh.refund("r1", "7.50"),
            fresh.refund("r2", "7.50"),
        ]
        return fresh

    for places in permutations(range(3)):
        shop = await bought()
        for place in places:
            await shop.happen(pieces[place])
        assert await shop.wallet() == Wallet(spendable=1000)
        await shop.happen(*pieces)  # a repeat of everything
        assert await shop.wallet() == Wallet(spendable=1000)
        assert shop.said.count("redemption.returned") == 1
        await shop.later(minutes=1)
        assert shop.shopify.withdrawn == shop.shopify.issued.keys()  # the code is dead

    shop = await bought()
    await shop.happen(pieces[0])
    assert (await shop.wallet()).spendable == 515
    await shop.happen(pieces[1])
    assert (await shop.wallet()).spendable == 508  # 7.5 of 15 points, in the member's favour


async def test_all_at_once_is_the_same(counter: Memory) -> None:
    await counter.give(1000)
    code = (await counter.redeem(await counter.offer())).code
    order = counter.order(discount_codes=["WELCOME", code], cancelled_at=counter.clock.at)
    await counter.happen(counter.refund("r1", "1"), order)
    assert await counter.wallet() == Wallet(spendable=1000)


async def test_shipping_that_is_kept_does_not_matter_but_merchandise_does(counter: Memory) -> None:
    await counter.give(500)
    bought = await counter.redeem(await counter.offer())
    await counter.happen(counter.order(discount_codes=[bought.code]), counter.refund("r1", "14.99"))
    assert await counter.state(bought) is S.USED
    await counter.happen(counter.refund("r2", "0.01"))
    assert await counter.state(bought) is S.RETURNED
    assert await counter.wallet() == Wallet(spendable=500)


async def test_a_code_of_another_shop_or_of_nobody_is_nothing(counter: Memory) -> None:
    await counter.give(500)
    other = Memory()
    await other.give(500)
    bought = await other.redeem(await other.offer())
    await counter.happen(counter.order(discount_codes=[bought.code, "LOY-ABCDE", "x" * 1000]))
    assert (await counter.wallet()).spendable == 515
    assert await other.state(bought) is S.COMPLETED


async def test_a_code_made_under_the_key_before_is_known(counter: Memory) -> None:
    await counter.give(500)
    counter.digests._keys.reverse()
    bought = await counter.redeem(await counter.offer())
    counter.digests._keys.reverse()
    await counter.happen(counter.order(discount_codes=[bought.code]))
    assert await counter.state(bought) is S.USED
