"""Redeeming against a model that knows only what the shop knows: whatever happens, in whatever
order it is told, in the end the points are where they belong."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.system import UuidV7
from contracts import rewards as said
from contracts.kit import Body
from domain.errors import LoyaltyError
from domain.points.redemption import Redemption, RedemptionState
from ports.rewards import RedemptionsAsked
from tests.services.counter import Counter
from tests.services.given import StandingClock

S = RedemptionState
WEATHER = ("", "", "", "away", "lost", "unheard", "refuse")
COST = 100
PAID = 15
PART = 5


@dataclass
class Bought:
    """An order at the shop, with the code that it carries; refunds are of PART each."""

    order_id: str
    redemption_id: UUID
    refunds: int = 0
    cancelled: bool = False

    @property
    def back(self) -> bool:
        return self.cancelled or self.refunds * PART == PAID


@dataclass
class World:
    """What happens, and what the shop knows of it. News of orders wait in ``told``."""

    chance: random.Random
    counter: Counter
    rewards: list[UUID] = field(default_factory=list)
    given: int = 0
    orders: dict[str, Bought] = field(default_factory=dict)
    told: list[Body] = field(default_factory=list)
    """News on their way."""
    news: list[Body] = field(default_factory=list)
    """All there ever were; some come twice."""

    async def begin(self) -> None:
        for returns in (True, False):
            for cancels in (True, False):
                reward = await self.counter.offer(
                    cost=COST, returns_on_expiry=returns, member_may_cancel=cancels,
                    code_days=30, stock=8,
                )  # fmt: skip
                self.rewards.append(reward)

    async def step(self) -> None:
        self.counter.shopify.weather = [
            self.chance.choice(WEATHER) for _ in range(self.chance.randrange(3))
        ]
        do = self.chance.choice(
            (self.earn, self.redeem, self.redeem, self.die, self.cancel, self.buy, self.buy,
             self.refund, self.call_off, self.tell, self.tell, self.wait, self.wait)
        )  # fmt: skip
        await do()

    async def earn(self) -> None:
        self.given += 150
        await self.counter.give(150)

    async def redeem(self) -> None:
        await self._tried(self.counter.redeem(self.chance.choice(self.rewards)))

    async def die(self) -> None:
        await self._tried(self.counter.reserve(self.chance.choice(self.rewards)))

    async def cancel(self) -> None:
        for each in await self.redemptions():
            if self.chance.random() < 0.2:
                caller = self.chance.choice((self.counter.staff, self.counter.customer()))
                await self._tried(self.counter.cancel(_ref(each), caller))

    @staticmethod
    async def _tried(doing: Any) -> None:
        with suppress(LoyaltyError):  # a refusal is an answer
            await doing

    async def buy(self) -> None:
        """With a code that the shop takes: there, not withdrawn, not used, not run out."""
        shop = self.counter.shopify
        for external_id, purchase in shop.issued.items():
            if external_id in shop.withdrawn | shop.used:
                continue
            if purchase.ends_at is None or self.counter.clock.at >= purchase.ends_at:
                continue
            if self.chance.random() < 0.5:
                shop.used.add(external_id)
                order_id = f"o{len(self.orders)}"
                self.orders[order_id] = Bought(order_id, purchase.redemption_id)
                self._say(self.counter.order(order_id, discount_codes=[purchase.code]))

    async def refund(self) -> None:
        for each in self.orders.values():
            if self.chance.random() < 0.5 and not each.back:
                each.refunds += 1
                refund = f"{each.order_id}r{each.refunds}"
                self._say(self.counter.refund(refund, str(PART), each.order_id))

    async def call_off(self) -> None:
        for each in self.orders.values():
            if self.chance.random() < 0.2 and not each.back:
                each.cancelled = True
                at = self.counter.clock.at
                self._say(self.counter.order(each.order_id, cancelled_at=at))

    def _say(self, news: Body) -> None:
        self.told.append(news)
        self.news.append(news)

    async def tell(self) -> None:
        """Some of the news, in any order, some of them once more."""
        self.chance.shuffle(self.told)
        now = [self.told.pop() for _ in range(self.chance.randrange(len(self.told) + 1))]
        again = [each for each in self.news if self.chance.random() < 0.1]
        if now or again:
            await self.counter.happen(*now, *again)

    async def wait(self) -> None:
        days = self.chance.choice((0, 0, 0, 1, 31))
        await self.counter.later(days=days, minutes=self.chance.randrange(30))

    async def redemptions(self) -> list[Redemption]:
        asked = RedemptionsAsked(self.counter.merchant, None, None, None, 10_000)
        async with self.counter.units() as unit:
            return list(await unit.stores.redemptions(asked))

    async def end(self) -> None:
        """Fine days, until nothing moves any more."""
        self.counter.shopify.weather = []
        await self.counter.happen(*self.news)
        for _ in range(4):
            await self.counter.later(minutes=20)
        assert {each.state for each in await self.redemptions()} <= set(S) - {
            S.RESERVED, S.ISSUING, S.WITHDRAWING,
        }  # fmt: skip

    async def check(self) -> None:
        orders = {each.redemption_id: each for each in self.orders.values()}
        out = 0
        taken = dict.fromkeys(self.rewards, 0)
        for each in await self.redemptions():
            order = orders.get(each.redemption_id)
            if order is not None:
                assert each.state is (S.RETURNED if order.back else S.USED)
                gone = not order.back
            else:
                gone = each.state in (S.COMPLETED, S.IN_DOUBT) or (
                    each.state is S.EXPIRED and not each.returns_on_expiry
                )
                if each.state in (S.CANCELLED, S.EXPIRED) and not gone and each.external_id:
                    assert each.external_id in self.counter.shopify.withdrawn
            out += COST * gone
            taken[each.reward_id] += gone
        earned = sum(PAID - PART * each.refunds for each in orders.values() if not each.back)
        wallet = await self.counter.wallet()
        assert wallet.spendable == self.given - out + earned
        assert wallet.spent == out
        for reward in self.rewards:
            request = said.GetReward(reward_id=reward)
            found = await self.counter.offering.one(self.counter.staff, request)
            # Who was used after all took no stock again; there are no more than were offered.
            assert found.taken <= taken[reward] <= 8 + len(orders)


def _ref(redemption: Redemption) -> Any:
    return said.RedemptionRef(redemption_id=redemption.redemption_id)


@pytest.mark.parametrize("seed", range(60))
async def test_in_the_end_the_points_are_where_they_belong(seed: int) -> None:
    clock = StandingClock()
    units: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, clock, UuidV7())
    world = World(random.Random(seed), Counter(units, clock))
    await world.begin()
    for _ in range(40):
        await world.step()
        assert (await world.counter.wallet()).spendable >= 0 or world.orders
    await world.end()
    await world.check()
