"""``ports.rewards.Redeeming`` on MongoDB: rewards and redemptions beside the ledger."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from adapters.mongo.collections import REDEMPTIONS, REWARDS
from adapters.mongo.locks import REDEMPTION, REWARD, LockName
from adapters.mongo.pooling import MongoPooling
from adapters.mongo.transaction import Transaction, in_shops
from adapters.mongo.values import Document, instant, instant_or_none, ticks, ticks_or_none
from domain.points.benefits import from_stored, to_stored
from domain.points.redemption import Redemption, RedemptionState
from domain.points.rewards import Reward, RewardTerms, Tally
from ports.ledger import OrderKey, WalletKey
from ports.rewards import CodeKey, RedemptionKey, RedemptionsAsked, RewardKey, RewardsAsked
from ports.sealing import key_id_of

_NEWEST_FIRST: Final = (("_id", -1),)
_PLAIN: Final = (
    "merchant_id",
    "customer_id",
    "shopify_customer_id",
    "reward_id",
    "reward_version",
    "title",
    "points",
    "paid_by",
    "sealed_code",
    "code_digest",
    "returns_on_expiry",
    "member_may_cancel",
    "taken",
    "took_stock",
    "tries",
    "external_id",
    "order_id",
    "reason",
    "for_expiry",
)
"""Fields of a redemption that are stored as they are."""
_MOST_IN_DOUBT: Final = 10_000


class MongoRedeeming(MongoPooling):
    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._rewards: dict[RewardKey, Reward] = {}
        """Those that are held or new, as this transaction leaves them; so are redemptions."""
        self._redemptions: dict[RedemptionKey, Redemption | None] = {}

    async def add_reward(self, reward: Reward) -> None:
        self._rewards[RewardKey(reward.merchant_id, reward.reward_id)] = reward
        self._transaction.insert(REWARDS, _reward_document(reward))

    async def reward(self, key: RewardKey) -> Reward | None:
        if key in self._rewards:
            return self._rewards[key]
        found = await self._transaction.find(REWARDS, {key.merchant_id: {"_id": key.reward_id}})
        return _reward(found[0]) if found else None

    async def rewards(self, asked: RewardsAsked) -> Sequence[Reward]:
        condition: dict[str, Any] = {}
        if asked.before is not None:
            condition["_id"] = {"$lt": asked.before}
        if asked.offered:
            condition |= {"enabled": True, "archived": False}
        most = asked.limit + len(self._rewards)
        found = await self._transaction.find(
            REWARDS, {asked.merchant_id: condition}, sort=_NEWEST_FIRST, limit=most
        )
        rewards = {each.reward_id: each for each in map(_reward, found)}
        rewards |= {key.reward_id: each for key, each in self._rewards.items()}
        asked_for = [
            each
            for each in rewards.values()
            if each.merchant_id == asked.merchant_id
            and (asked.before is None or each.reward_id < asked.before)
            and (not asked.offered or (each.terms.enabled and not each.archived))
        ]
        return sorted(asked_for, key=lambda each: each.reward_id, reverse=True)[: asked.limit]

    async def save_reward(self, reward: Reward) -> bool:
        known = await self._hold_reward(RewardKey(reward.merchant_id, reward.reward_id))
        if known is None or known.version != reward.version - 1:
            return False
        self._put_reward(replace(reward, taken=known.taken, created_at=known.created_at))
        return True

    async def take_stock(self, key: RewardKey) -> bool:
        known = await self._hold_reward(key)
        if known is None or (known.terms.stock is not None and known.taken >= known.terms.stock):
            return False
        self._put_reward(replace(known, taken=known.taken + 1))
        return True

    async def give_stock_back(self, key: RewardKey) -> None:
        known = await self._hold_reward(key)
        if known is not None and known.taken > 0:
            self._put_reward(replace(known, taken=known.taken - 1))

    async def _hold_reward(self, key: RewardKey) -> Reward | None:
        await self._transaction.lock([LockName(REWARD, key.merchant_id, str(key.reward_id))])
        return await self.reward(key)

    def _put_reward(self, reward: Reward) -> None:
        self._rewards[RewardKey(reward.merchant_id, reward.reward_id)] = reward
        self._transaction.put(REWARDS, _reward_document(reward))

    async def tally(
        self, member: WalletKey, windows: Mapping[UUID, datetime]
    ) -> Mapping[UUID, Tally]:
        people = await self._own(member)
        condition = {"customer_id": {"$in": people}, "reward_id": {"$in": list(windows)}}
        found = await self._transaction.find(REDEMPTIONS, {member.merchant_id: condition})
        own = [
            each
            for each in self._redemptions_as_put(found)
            if each.taken and each.merchant_id == member.merchant_id and each.customer_id in people
        ]
        return {
            reward_id: Tally(
                sum(each.reward_id == reward_id for each in own),
                sum(each.reward_id == reward_id and each.created_at > since for each in own),
            )
            for reward_id, since in windows.items()
        }

    def _redemptions_as_put(self, stored: Sequence[Document]) -> list[Redemption]:
        """Redemptions as this transaction leaves them, and those it knows besides."""
        known: dict[RedemptionKey, Redemption | None] = {
            _key(each): each for each in map(read_redemption, stored)
        }
        return [each for each in (known | self._redemptions).values() if each is not None]

    async def add_redemption(self, redemption: Redemption) -> None:
        self._redemptions[_key(redemption)] = redemption
        self._transaction.insert(REDEMPTIONS, _redemption_document(redemption))

    async def redemption(self, key: RedemptionKey) -> Redemption | None:
        if key in self._redemptions:
            return self._redemptions[key]
        return (await self._read_redemptions([key])).get(key)

    async def redemptions(self, asked: RedemptionsAsked) -> Sequence[Redemption]:
        condition: dict[str, Any] = {}
        if asked.before is not None:
            condition["_id"] = {"$lt": asked.before}
        people = None
        if asked.customer_id is not None:
            people = await self._own(WalletKey(asked.merchant_id, asked.customer_id))
            condition["customer_id"] = {"$in": people}
        if asked.state is not None:
            condition["state"] = asked.state.value
        most = asked.limit + len(self._redemptions)
        found = await self._transaction.find(
            REDEMPTIONS, {asked.merchant_id: condition}, sort=_NEWEST_FIRST, limit=most
        )
        asked_for = [
            each
            for each in self._redemptions_as_put(found)
            if each.merchant_id == asked.merchant_id
            and (people is None or each.customer_id in people)
            and asked.state in (None, each.state)
            and (asked.before is None or each.redemption_id < asked.before)
        ]
        return sorted(asked_for, key=lambda each: each.redemption_id, reverse=True)[: asked.limit]

    async def lock_redemption(self, key: RedemptionKey) -> Redemption | None:
        (found,) = (await self._hold_redemptions([key])).values()
        return found

    async def lock_used(
        self, codes: Collection[CodeKey], orders: Collection[OrderKey]
    ) -> Sequence[Redemption]:
        digests = in_shops((key for key in codes if key.code_digest), "code_digest")
        ids = in_shops((key for key in orders if key.order_id), "order_id")
        keys = {
            RedemptionKey(each["merchant_id"], each["_id"])
            for wanted in (digests, ids)
            for each in await self._transaction.find(REDEMPTIONS, wanted)
        }
        held = await self._hold_redemptions(keys)
        return [
            each
            for _, each in sorted(held.items())
            if each is not None
            and (
                CodeKey(each.merchant_id, each.code_digest) in codes
                or (each.order_id and OrderKey(each.merchant_id, each.order_id) in orders)
            )
        ]

    async def _hold_redemptions(
        self, keys: Collection[RedemptionKey]
    ) -> Mapping[RedemptionKey, Redemption | None]:
        new = set(keys) - self._redemptions.keys()
        if new:
            await self._transaction.lock(_lock(key) for key in new)
            found = await self._read_redemptions(new)
            self._redemptions |= {key: found.get(key) for key in new}
        return {key: self._redemptions[key] for key in keys}

    async def _read_redemptions(
        self, keys: Collection[RedemptionKey]
    ) -> dict[RedemptionKey, Redemption]:
        found = await self._transaction.find(REDEMPTIONS, in_shops(keys, "_id"))
        return {_key(each): each for each in map(read_redemption, found)}

    async def save_redemptions(self, redemptions: Sequence[Redemption]) -> None:
        for each in redemptions:
            self._redemptions[_key(each)] = each
            self._transaction.put(REDEMPTIONS, _redemption_document(each))

    async def take_due(self, now: datetime, lease: datetime, limit: int) -> Sequence[RedemptionKey]:
        due = {"due_at": {"$lte": ticks(now)}}
        found = await self._transaction.sweep(REDEMPTIONS, due, sort=(("due_at", 1),), limit=limit)
        names = {_lock(key): key for key in (_key(read_redemption(each)) for each in found)}
        free = [names[each] for each in await self._transaction.lock_free(names)]
        # Once more: somebody may have been at some in between.
        self._redemptions |= await self._read_redemptions(free)
        taken = [
            replace(each, due_at=lease)
            for key in free
            if (each := self._redemptions.get(key)) is not None
            and each.due_at is not None
            and each.due_at <= now
        ]
        await self.save_redemptions(taken)
        return [_key(each) for each in taken]

    async def count_in_doubt(self) -> int:
        found = await self._transaction.sweep(
            REDEMPTIONS,
            {"state": RedemptionState.IN_DOUBT.value},
            sort=(("state", 1),),
            limit=_MOST_IN_DOUBT,
        )
        known = self._redemptions_as_put(found)
        return sum(each.state is RedemptionState.IN_DOUBT for each in known)


def _key(redemption: Redemption) -> RedemptionKey:
    return RedemptionKey(redemption.merchant_id, redemption.redemption_id)


def _lock(key: RedemptionKey) -> LockName:
    return redemption_lock(key.merchant_id, key.redemption_id)


def redemption_lock(merchant_id: UUID, redemption_id: UUID) -> LockName:
    return LockName(REDEMPTION, merchant_id, str(redemption_id))


def _reward_document(reward: Reward) -> Document:
    return {
        "_id": reward.reward_id,
        "merchant_id": reward.merchant_id,
        "version": reward.version,
        "terms": msgspec.json.encode(reward.terms).decode(),
        "enabled": reward.terms.enabled,
        "archived": reward.archived,
        "taken": reward.taken,
        "created_at": ticks(reward.created_at),
        "updated_at": ticks(reward.updated_at),
    }


def _reward(document: Document) -> Reward:
    return Reward(
        merchant_id=document["merchant_id"],
        reward_id=document["_id"],
        version=document["version"],
        terms=msgspec.json.decode(document["terms"], type=RewardTerms, strict=False),
        archived=document["archived"],
        taken=document["taken"],
        created_at=instant(document["created_at"]),
        updated_at=instant(document["updated_at"]),
    )


def _redemption_document(redemption: Redemption) -> Document:
    return {name: getattr(redemption, name) for name in _PLAIN} | {
        "_id": redemption.redemption_id,
        "benefit": to_stored(redemption.benefit),
        "state": redemption.state.value,
        "created_at": ticks(redemption.created_at),
        "ends_at": ticks_or_none(redemption.ends_at),
        "due_at": ticks_or_none(redemption.due_at),
        "sealed_code_key": key_id_of(redemption.sealed_code),
    }


def read_redemption(document: Document) -> Redemption:
    values = {name: document[name] for name in _PLAIN}
    return Redemption(
        **values,
        redemption_id=document["_id"],
        benefit=from_stored(document["benefit"]),
        state=RedemptionState(document["state"]),
        created_at=instant(document["created_at"]),
        ends_at=instant_or_none(document["ends_at"]),
        due_at=instant_or_none(document["due_at"]),
    )
