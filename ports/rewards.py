"""Rewards and redemptions as the use cases need them, in the transaction of the ledger."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.points.redemption import Redemption, RedemptionState
from domain.points.rewards import Reward, Tally
from ports.ledger import OrderKey, WalletKey
from ports.pooling import SharedLedger
from ports.pos import Sales


class RewardKey(NamedTuple):
    merchant_id: UUID
    reward_id: UUID


class RedemptionKey(NamedTuple):
    merchant_id: UUID
    redemption_id: UUID


class CodeKey(NamedTuple):
    """A code by its digest (``ports.digests``)."""

    merchant_id: UUID
    code_digest: str


@dataclass(frozen=True, slots=True)
class RewardsAsked:
    """A page of a shop's rewards, newest first, those made before ``before``: all of them, or those
    that are ``offered`` (enabled and not archived)."""

    merchant_id: UUID
    offered: bool
    before: UUID | None
    limit: int


@dataclass(frozen=True, slots=True)
class RedemptionsAsked:
    """A page of a shop's redemptions, newest first, those made before ``before``; of one member, or
    in one state, where that is said."""

    merchant_id: UUID
    customer_id: UUID | None
    state: RedemptionState | None
    before: UUID | None
    limit: int


class Rewards(Protocol):
    """Works inside one transaction.

    Who changes several things locks them in this order, so that nobody waits in a circle: orders,
    redemptions, wallets, rewards. A member who was merged into another has the other's redemptions.
    """

    async def add_reward(self, reward: Reward) -> None: ...

    async def reward(self, key: RewardKey) -> Reward | None: ...

    async def rewards(self, asked: RewardsAsked) -> Sequence[Reward]: ...

    async def save_reward(self, reward: Reward) -> bool:
        """Store another version of a reward; its stock that is taken stays as it is. False when the
        one that is stored is not the one right before it."""
        ...

    async def take_stock(self, key: RewardKey) -> bool:
        """One less of a reward with a stock; False when there is none left."""
        ...

    async def give_stock_back(self, key: RewardKey) -> None: ...

    async def tally(
        self, member: WalletKey, windows: Mapping[UUID, datetime]
    ) -> Mapping[UUID, Tally]:
        """How often a member has each of these rewards, at all and since its window began;
        those whose points came back do not count. Right while the member's wallet is held."""
        ...

    async def add_redemption(self, redemption: Redemption) -> None: ...

    async def redemption(self, key: RedemptionKey) -> Redemption | None: ...

    async def redemptions(self, asked: RedemptionsAsked) -> Sequence[Redemption]: ...

    async def lock_redemption(self, key: RedemptionKey) -> Redemption | None:
        """Held until the transaction ends."""
        ...

    async def lock_used(
        self, codes: Collection[CodeKey], orders: Collection[OrderKey]
    ) -> Sequence[Redemption]:
        """Those with one of these codes or used by one of these orders, held until the transaction
        ends."""
        ...

    async def save_redemptions(self, redemptions: Sequence[Redemption]) -> None:
        """Store what redemptions have become that are held."""
        ...

    async def take_due(self, now: datetime, lease: datetime, limit: int) -> Sequence[RedemptionKey]:
        """Redemptions with something to be done; nobody else is handed them before ``lease``."""
        ...

    async def count_in_doubt(self) -> int:
        """Of all shops that the transaction sees."""
        ...


class Redeeming(SharedLedger, Rewards, Sales, Protocol):
    """What redeeming needs in one transaction, and what tells one sale from another."""
