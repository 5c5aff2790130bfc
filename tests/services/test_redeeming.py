"""Redeeming without servers: what a member gets for points, on good days and on bad ones."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from contracts import points
from contracts import rewards as said
from contracts.kit import Body
from domain.errors import InvalidRequest, LimitReached, NotFound
from domain.points.benefits import AmountOff
from domain.points.codes import maybe_ours
from domain.points.redemption import GIVE_UP, NotCancellable, RedemptionState
from domain.points.rewards import RewardConflict, RewardUnavailable
from domain.points.wallet import InsufficientPoints, Wallet
from ports.issuing import NotReached, Purchase
from ports.rewards import RedemptionKey
from services.points import issuing
from services.points.rewards import archive_reward, update_reward
from tests.services.memory_counter import Memory

S = RedemptionState


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
        assert issued.benefit == AmountOff(Decimal(7))


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
            reward_id=reward, version=1, name="1 off", kind="discount", cost=900,  # type: ignore[arg-type]  # as JSON has it
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
    assert issued.benefit == AmountOff(Decimal(5))
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
    assert reserved.state is S.ISSUING
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
    reserved, prepared = await counter.begin(await counter.offer())
    with pytest.raises(asyncio.CancelledError):
        await counter.redeemer.finish(counter.customer(), reserved, prepared)
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
    found = await counter.redeemer.follow_up(counter.staff, asked)
    assert (found.state, bool(found.code)) == (S.COMPLETED, True)
    assert len(counter.shopify.issued) == 1


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
    reserved, prepared = await counter.begin(await counter.offer())
    key = RedemptionKey(counter.merchant, reserved.redemption_id)
    ask = counter.shopify.issue

    async def overtaken(merchant_id: UUID, purchase: Purchase) -> str:
        monkeypatch.setattr(counter.shopify, "issue", ask)
        counter.clock.advance(minutes=2)
        counter.shopify.weather = ["lost"]
        await counter.fulfilment.work(key, 5)
        raise NotReached

    monkeypatch.setattr(counter.shopify, "issue", overtaken)
    found = await counter.redeemer.finish(counter.customer(), reserved, prepared)
    assert found.state is S.ISSUING
    assert await counter.state(reserved) is S.ISSUING
