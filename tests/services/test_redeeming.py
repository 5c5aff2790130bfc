"""Redeeming without servers: what a member gets, and what becomes of it whatever happens."""

import asyncio
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.system import UuidV7
from contracts import points
from contracts import rewards as said
from contracts.kit import Body
from domain.errors import InvalidRequest, LimitReached, NotFound
from domain.points.codes import maybe_ours
from domain.points.redemption import GIVE_UP, NotCancellable, RedemptionState
from domain.points.rewards import RewardConflict, RewardUnavailable
from domain.points.wallet import InsufficientPoints, Wallet
from ports.issuing import NotReached, Purchase
from ports.rewards import RedemptionKey
from services.points import issuing
from services.points.rewards import archive_reward, update_reward
from tests.services.counter import Counter
from tests.services.given import StandingClock

S = RedemptionState


class Memory(Counter):
    def __init__(self) -> None:
        clock = StandingClock()
        self.memory: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, clock, UuidV7())
        super().__init__(self.memory, clock)

    @property
    def said(self) -> list[str]:
        return [each.subject.rsplit(".", 1)[0].removeprefix("evt.") for each in self.memory.said]


@pytest.fixture
def counter() -> Memory:
    return Memory()


async def test_points_become_a_code(counter: Memory) -> None:
    await counter.give(1000)
    bought = await counter.redeem(await counter.offer())
    assert (bought.state, bought.points, bought.benefit) == (S.COMPLETED, 500, "amount_off")
    assert maybe_ours(bought.code) == bought.code
    assert bought.code.startswith("LOY-")
    (issued,) = counter.shopify.issued.values()
    assert issued.code == bought.code
    assert await counter.wallet() == Wallet(spendable=500, spent=500)
    assert counter.said == ["reward.updated", "points.redeemed", "redemption.completed"]
    assert all(bought.code.encode() not in each.payload for each in counter.memory.said)


@pytest.mark.parametrize(
    ("terms", "asked", "paid", "benefit"),
    [
        ({"kind": "percentage", "percent": "10", "amount": "0"}, None, 500, "percent_off"),
        ({"kind": "free_shipping", "cost": 1000, "amount": "0"}, None, 1000, "free_shipping"),
        (
            {"kind": "free_product", "cost": 1500, "amount": "0", "product_id": "42"},
            None, 1500, "free_product",
        ),
        ({"kind": "checkout_coupon", "code_days": 1}, None, 500, "amount_off"),
        ({"kind": "store_credit"}, None, 500, "store_credit"),
        ({"kind": "gift_card"}, None, 500, "gift_card"),
        (
            {"kind": "incremental", "cost": 0, "amount": "1", "step_points": 100,
             "min_points": 200, "max_points": 1000},
            700, 700, "amount_off",
        ),
    ],
)  # fmt: skip
async def test_every_kind_can_be_had(
    counter: Memory, terms: dict[str, Any], asked: int | None, paid: int, benefit: str
) -> None:
    await counter.give(2000)
    bought = await counter.redeem(await counter.offer(**terms), asked)
    assert (bought.state, bought.points, bought.benefit) == (S.COMPLETED, paid, benefit)
    assert (await counter.wallet()).spendable == 2000 - paid
    assert bool(bought.code) == (benefit != "store_credit")
    if benefit == "gift_card":  # as the card says it
        assert len(bought.code) == 20
    if asked:
        (issued,) = counter.shopify.issued.values()
        assert issued.benefit.amount == 7  # type: ignore[union-attr]


async def test_refusals_have_their_codes_and_take_nothing(counter: Memory) -> None:
    steps = {"kind": "incremental", "cost": 0, "step_points": 100, "min_points": 100,
             "max_points": 500}  # fmt: skip
    await counter.give(5000)
    once = await counter.offer(per_member=1)
    await counter.redeem(once)
    weekly = await counter.offer(per_window=1, window_days=7)
    await counter.redeem(weekly)
    scarce = await counter.offer(stock=1)
    await counter.redeem(scarce)
    before = await counter.wallet()
    later = counter.clock.at.replace(year=2027)
    earlier = counter.clock.at.replace(year=2025)
    for reward, asked, error in (
        (await counter.offer(cost=4000), None, InsufficientPoints),
        (once, None, LimitReached),
        (weekly, None, LimitReached),
        (scarce, None, RewardUnavailable),
        (await counter.offer(enabled=False), None, RewardUnavailable),
        (await counter.offer(starts_at=later), None, RewardUnavailable),
        (await counter.offer(ends_at=earlier), None, RewardUnavailable),
        (await counter.offer(tiers=["Gold"]), None, RewardUnavailable),
        (await counter.offer(**steps), 150, InvalidRequest),
        (await counter.offer(**steps), 600, InvalidRequest),
        (await counter.offer(**steps), None, InvalidRequest),
        (counter.member, None, NotFound),
    ):
        with pytest.raises(error):
            await counter.redeem(reward, asked)
    assert await counter.wallet() == before
    counter.clock.advance(days=8)
    assert (await counter.redeem(weekly)).state is S.COMPLETED


async def test_terms_are_frozen_when_it_is_bought(counter: Memory) -> None:
    await counter.give(500)
    reward = await counter.offer()
    counter.shopify.weather = ["unheard"]
    bought = await counter.redeem(reward)
    async with counter.units() as unit:
        change = said.UpdateReward(
            reward_id=reward, version=1, name="1 off", kind="discount", cost=900,  # type: ignore[arg-type]
            amount=Decimal(1),
        )  # fmt: skip
        assert (await update_reward(unit, counter.staff, change)).version == 2
    async with counter.units() as unit:
        with pytest.raises(RewardConflict):
            await update_reward(unit, counter.staff, change)
        await archive_reward(unit, counter.staff, said.ArchiveReward(reward_id=reward))
    await counter.later(minutes=5)
    (issued,) = counter.shopify.issued.values()
    assert issued.title == "5 off"
    assert issued.benefit.amount == 5  # type: ignore[union-attr]
    assert (await counter.see(bought)).points == 500


async def test_all_that_is_wrong_with_a_reward_is_told_at_once(counter: Memory) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await counter.offer(
            name=" ", cost=0, amount="5.001", percent="3", product_id="x", code_prefix="lo y",
            code_days=0, stock=0, window_days=3, step_points=1, tiers=[""],
        )  # fmt: skip
    assert {each.pointer for each in refused.value.problems} == {
        "/name", "/cost", "/amount", "/percent", "/product_id", "/code_prefix", "/code_days",
        "/stock", "/window_days", "/step_points", "/tiers",
    }  # fmt: skip


async def test_what_shopify_refuses_is_as_if_it_had_not_been(counter: Memory) -> None:
    await counter.give(700)
    reward = await counter.offer(stock=1, per_member=1)
    counter.shopify.weather = ["refuse"]
    bought = await counter.redeem(reward)
    assert (bought.state, bought.reason, bought.code) == (S.RELEASED, "The product is gone.", "")
    assert await counter.wallet() == Wallet(spendable=700)
    assert (await counter.redeem(reward)).state is S.COMPLETED  # stock and limit are there again


@pytest.mark.parametrize("weather", [["lost"], ["unheard"], ["away"], ["lost", "away", "unheard"]])
async def test_a_bad_day_at_shopify_ends_with_one_code(counter: Memory, weather: list[str]) -> None:
    await counter.give(500)
    counter.shopify.weather = list(weather)
    bought = await counter.redeem(await counter.offer())
    assert bought.state in (S.ISSUING, S.RESERVED)
    assert bought.code == ""
    for _ in weather:
        await counter.later(minutes=2)
    assert (await counter.see(bought)).state is S.COMPLETED
    assert len(counter.shopify.issued) == 1
    assert await counter.wallet() == Wallet(spendable=0, spent=500)


async def test_who_dies_after_reserving_is_followed_by_the_loop(counter: Memory) -> None:
    await counter.give(500)
    reserved = await counter.reserve(await counter.offer())
    assert reserved.state is S.RESERVED
    await counter.later(seconds=1)  # whoever reserved might still be there
    assert counter.shopify.tries == 0
    await counter.later(seconds=10)
    assert (await counter.see(reserved)).state is S.COMPLETED


async def test_who_dies_with_the_answer_in_hand_asks_again(counter: Memory) -> None:
    await counter.give(500)

    async def die() -> None:
        counter.shopify.meanwhile = alive
        raise asyncio.CancelledError

    alive = counter.shopify.meanwhile
    counter.shopify.meanwhile = die
    reserved = await counter.reserve(await counter.offer())
    with pytest.raises(asyncio.CancelledError):
        await counter.redeemer.finish(counter.customer(), reserved)
    assert await counter.state(reserved) is S.ISSUING
    await counter.later(minutes=2)
    assert (await counter.see(reserved)).state is S.COMPLETED
    assert len(counter.shopify.issued) == 1


async def test_a_slow_shopify_is_not_waited_for(
    counter: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "FIRST_TRY", 0.01)
    await counter.give(500)
    counter.shopify.weather = ["slow"]
    bought = await counter.redeem(await counter.offer())
    assert bought.state is S.ISSUING
    await counter.later(minutes=2)
    assert (await counter.see(bought)).code


async def test_points_go_back_when_shopify_was_never_reached(counter: Memory) -> None:
    await counter.give(500)
    counter.shopify.weather = ["away"] * 3
    bought = await counter.redeem(await counter.offer())
    await counter.later(hours=1)
    assert await counter.state(bought) is S.RESERVED
    await counter.later(seconds=int(GIVE_UP.total_seconds()))
    assert await counter.state(bought) is S.RELEASED
    assert await counter.wallet() == Wallet(spendable=500)


async def test_a_doubt_is_left_to_staff(counter: Memory) -> None:
    await counter.give(1000)
    counter.shopify.weather = ["lost", "away", "unheard"]
    reward = await counter.offer()
    bought = await counter.redeem(reward)
    await counter.later(hours=1)
    await counter.later(seconds=int(GIVE_UP.total_seconds()))
    assert await counter.state(bought) is S.IN_DOUBT
    assert (await counter.wallet()).spendable == 500  # nobody knows
    told: list[float] = []
    await issuing.count_doubts(counter.units, told.append)
    assert told == [1]
    with pytest.raises(NotCancellable):
        await counter.cancel(bought, counter.customer())
    request = said.RedemptionRef(redemption_id=bought.redemption_id)
    async with counter.units() as unit:
        asked = await counter.redeemer.ask_again(unit, counter.staff, request)
    found = await counter.redeemer.finish(counter.staff, asked)
    assert (found.state, bool(found.code)) == (S.COMPLETED, True)
    assert len(counter.shopify.issued) == 1


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
    bought = await counter.reserve(await counter.offer())

    async def meanwhile() -> None:
        counter.shopify.meanwhile = nothing
        await counter.later(seconds=int(GIVE_UP.total_seconds()) + 60)
        assert await counter.state(bought) is S.IN_DOUBT
        await counter.cancel(bought)

    nothing = counter.shopify.meanwhile
    counter.shopify.meanwhile = meanwhile
    found = await counter.redeemer.finish(counter.customer(), bought)
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


async def test_members_see_their_own_and_what_is_offered(counter: Memory) -> None:
    await counter.give(600)
    mine, theirs = counter.customer(), counter.customer("c2")
    reward = await counter.offer()
    hidden = await counter.offer(enabled=False)
    dear = await counter.offer(cost=9000, name="dear")
    bought = await counter.redeem(reward)
    request = said.RedemptionRef(redemption_id=bought.redemption_id)
    assert (await counter.redeemer.one(mine, request)).code
    with pytest.raises(NotFound):
        await counter.redeemer.one(theirs, request)
    viewer = msgspec.structs.replace(counter.staff, permissions=("rewards:read",))
    assert (await counter.redeemer.one(viewer, request)).code == ""
    everybody = said.ListRedemptions()
    assert len((await counter.redeemer.page(mine, everybody)).redemptions) == 1
    assert (await counter.redeemer.page(theirs, everybody)).redemptions == ()
    assert len((await counter.redeemer.page(viewer, everybody)).redemptions) == 1
    page = await counter.offering.page(mine, said.ListRewards())
    assert [each.reward_id for each in page.rewards] == [dear, reward]
    with pytest.raises(NotFound):
        await counter.offering.one(mine, said.GetReward(reward_id=hidden))
    offers = (await counter.offering.offers(mine, said.ListOffers())).offers
    assert [(each.cost, each.affordable, each.why_not) for each in offers] == [
        (9000, False, "points"),
        (500, False, "points"),
    ]
    balance = await counter.redeemer.points(mine, points.MemberRef())
    assert balance == points.Balance(
        customer_id=counter.member, spendable=100, pending=0, lifetime=600, spent=500, expired=0
    )


async def test_an_event_never_holds_a_code(counter: Memory) -> None:
    await counter.give(1500)
    codes: list[str] = []
    bodies: list[Body] = []
    for number in range(3):
        bought = await counter.redeem(await counter.offer())
        codes.append(bought.code)
        bodies.append(counter.order(f"o{number}", discount_codes=[bought.code]))
    await counter.happen(*bodies)
    assert len(set(codes)) == 3
    told = b"".join(each.payload for each in counter.memory.said)
    assert not any(code.encode() in told for code in codes)


async def test_a_try_that_was_overtaken_says_nothing_of_the_one_that_did_it(
    counter: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process stands still while it asks, and another takes over, of which nobody knows whether
    Shopify has heard it. That the first was not heard is no proof that nothing was issued."""
    await counter.give(500)
    reserved = await counter.reserve(await counter.offer())
    key = RedemptionKey(counter.merchant, reserved.redemption_id)
    ask = counter.shopify.issue

    async def overtaken(merchant_id: UUID, purchase: Purchase) -> str:
        monkeypatch.setattr(counter.shopify, "issue", ask)
        counter.clock.advance(minutes=2)
        counter.shopify.weather = ["lost"]
        await counter.fulfilment.work(key, 5)
        raise NotReached

    monkeypatch.setattr(counter.shopify, "issue", overtaken)
    await counter.fulfilment.work(key, 5)
    assert await counter.state(reserved) is S.ISSUING
