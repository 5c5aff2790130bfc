"""``ports.rewards.Redeeming`` in memory: one transaction at a time, so everything is held."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from adapters.memory.pooling import MemoryPooling
from adapters.memory.pos import MemorySales
from domain.points.redemption import Redemption, RedemptionState
from domain.points.rewards import Reward, Tally
from ports.ledger import OrderKey, WalletKey
from ports.rewards import CodeKey, RedemptionKey, RedemptionsAsked, RewardKey, RewardsAsked


class MemoryRedeeming(MemoryPooling, MemorySales):
    def __init__(self) -> None:
        super().__init__()
        self._rewards: dict[RewardKey, Reward] = {}
        self._redemptions: dict[RedemptionKey, Redemption] = {}

    async def add_reward(self, reward: Reward) -> None:
        self._rewards[RewardKey(reward.merchant_id, reward.reward_id)] = reward

    async def reward(self, key: RewardKey) -> Reward | None:
        return self._rewards.get(key)

    async def rewards(self, asked: RewardsAsked) -> Sequence[Reward]:
        found = [
            each
            for each in self._rewards.values()
            if each.merchant_id == asked.merchant_id
            and (asked.before is None or each.reward_id < asked.before)
            and (not asked.offered or (each.terms.enabled and not each.archived))
        ]
        return sorted(found, key=lambda each: each.reward_id, reverse=True)[: asked.limit]

    async def save_reward(self, reward: Reward) -> bool:
        key = RewardKey(reward.merchant_id, reward.reward_id)
        known = self._rewards.get(key)
        if known is None or known.version != reward.version - 1:
            return False
        self._rewards[key] = replace(reward, taken=known.taken)
        return True

    async def take_stock(self, key: RewardKey) -> bool:
        known = self._rewards[key]
        if known.terms.stock is not None and known.taken >= known.terms.stock:
            return False
        self._rewards[key] = replace(known, taken=known.taken + 1)
        return True

    async def give_stock_back(self, key: RewardKey) -> None:
        known = self._rewards[key]
        self._rewards[key] = replace(known, taken=max(0, known.taken - 1))

    async def tally(
        self, member: WalletKey, windows: Mapping[UUID, datetime]
    ) -> Mapping[UUID, Tally]:
        own = [each for each in self._of(member) if each.taken]
        return {
            reward_id: Tally(
                sum(each.reward_id == reward_id for each in own),
                sum(each.reward_id == reward_id and each.created_at > since for each in own),
            )
            for reward_id, since in windows.items()
        }

    def _of(self, member: WalletKey) -> list[Redemption]:
        last = self._last(member)
        return [
            each
            for each in self._redemptions.values()
            if self._last(WalletKey(each.merchant_id, each.customer_id)) == last
        ]

    async def add_redemption(self, redemption: Redemption) -> None:
        self._redemptions[_key(redemption)] = redemption

    async def redemption(self, key: RedemptionKey) -> Redemption | None:
        return self._redemptions.get(key)

    async def redemptions(self, asked: RedemptionsAsked) -> Sequence[Redemption]:
        rows = (
            self._redemptions.values()
            if asked.customer_id is None
            else self._of(WalletKey(asked.merchant_id, asked.customer_id))
        )
        found = [
            each
            for each in rows
            if each.merchant_id == asked.merchant_id
            and asked.state in (None, each.state)
            and (asked.before is None or each.redemption_id < asked.before)
        ]
        return sorted(found, key=lambda each: each.redemption_id, reverse=True)[: asked.limit]

    async def lock_redemption(self, key: RedemptionKey) -> Redemption | None:
        return self._redemptions.get(key)

    async def lock_used(
        self, codes: Collection[CodeKey], orders: Collection[OrderKey]
    ) -> Sequence[Redemption]:
        return [
            each
            for _, each in sorted(self._redemptions.items())
            if (each.code_digest and (each.merchant_id, each.code_digest) in codes)
            or (each.order_id and (each.merchant_id, each.order_id) in orders)
        ]

    async def save_redemptions(self, redemptions: Sequence[Redemption]) -> None:
        self._redemptions |= {_key(each): each for each in redemptions}

    async def take_due(self, now: datetime, lease: datetime, limit: int) -> Sequence[RedemptionKey]:
        due = sorted(
            (each.due_at, key)
            for key, each in self._redemptions.items()
            if each.due_at is not None and each.due_at <= now
        )[:limit]
        for _, key in due:
            self._redemptions[key] = replace(self._redemptions[key], due_at=lease)
        return [key for _, key in due]

    async def count_in_doubt(self) -> int:
        return sum(each.state is RedemptionState.IN_DOUBT for each in self._redemptions.values())


def _key(redemption: Redemption) -> RedemptionKey:
    return RedemptionKey(redemption.merchant_id, redemption.redemption_id)
