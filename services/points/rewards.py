"""What a merchant offers for points: making, changing and reading rewards."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from contracts import rewards as said
from contracts.caller import Audience, Caller
from contracts.paging import cursor_of, limit_problems
from domain.errors import InvalidRequest, NotFound
from domain.points.bonus import NOBODY_SPECIAL
from domain.points.rewards import (
    Reward,
    RewardConflict,
    RewardKind,
    RewardTerms,
    Tally,
    problems_of,
    why_not,
)
from domain.points.wallet import EMPTY
from domain.program import defaults
from ports.earning import BuyerKey
from ports.rewards import Redeeming, RewardKey, RewardsAsked
from ports.unit import Unit, Units
from services.points.account import wallet_of
from services.points.pooling import Sharing

_TERMS: Final = tuple(each.name for each in fields(RewardTerms))


async def create_reward(
    unit: Unit[Redeeming], caller: Caller, request: said.CreateReward
) -> said.Reward:
    terms = await _terms(unit, caller.tenant, request)
    now = unit.now()
    reward = Reward(
        merchant_id=caller.tenant,
        reward_id=unit.new_id(),
        version=1,
        terms=terms,
        archived=False,
        taken=0,
        created_at=now,
        updated_at=now,
    )
    await unit.stores.add_reward(reward)
    _tell(unit, reward)
    return _shown(reward)


async def update_reward(
    unit: Unit[Redeeming], caller: Caller, request: said.UpdateReward
) -> said.Reward:
    """Raises REWARD_CONFLICT when it is not the version that was read."""
    terms = await _terms(unit, caller.tenant, request)
    known = await _known(unit, caller, request.reward_id)
    if known.version != request.version or known.archived:
        raise RewardConflict
    return await _save(unit, known, terms, archived=False)


async def archive_reward(
    unit: Unit[Redeeming], caller: Caller, request: said.ArchiveReward
) -> said.Reward:
    known = await _known(unit, caller, request.reward_id)
    if known.archived:
        return _shown(known)
    return await _save(unit, known, known.terms, archived=True)


async def _save(
    unit: Unit[Redeeming], known: Reward, terms: RewardTerms, *, archived: bool
) -> said.Reward:
    reward = Reward(
        merchant_id=known.merchant_id,
        reward_id=known.reward_id,
        version=known.version + 1,
        terms=terms,
        archived=archived,
        taken=known.taken,
        created_at=known.created_at,
        updated_at=unit.now(),
    )
    if not await unit.stores.save_reward(reward):
        raise RewardConflict
    _tell(unit, reward)
    return _shown(reward)


async def _known(unit: Unit[Redeeming], caller: Caller, reward_id: UUID) -> Reward:
    known = await unit.stores.reward(RewardKey(caller.tenant, reward_id))
    if known is None or (caller.audience is Audience.CUSTOMER and not _is_offered(known)):
        raise NotFound("This shop has no such reward.")
    return known


def _is_offered(reward: Reward) -> bool:
    return reward.terms.enabled and not reward.archived


async def _terms(
    unit: Unit[Redeeming], merchant_id: UUID, request: said.CreateReward
) -> RewardTerms:
    """Raises InvalidRequest with everything that is wrong."""
    terms = RewardTerms(**{name: getattr(request, name) for name in _TERMS})
    problems = problems_of(terms, await currency_of(unit, merchant_id))
    if problems:
        raise InvalidRequest(problems=problems)
    return terms


async def currency_of(unit: Unit[Redeeming], merchant_id: UUID) -> str:
    """What the shop reckons in."""
    program = (await unit.stores.programs([merchant_id])).get(merchant_id)
    return (program or defaults("USD")).currency


def window_of(terms: RewardTerms, now: datetime) -> datetime:
    """Since when a member's redemptions count against the limit of a window."""
    return now - timedelta(days=terms.window_days or 0)


def _tell(unit: Unit[Redeeming], reward: Reward) -> None:
    body = said.RewardChanged(
        reward_id=reward.reward_id,
        version=reward.version,
        name=reward.terms.name,
        kind=reward.terms.kind,
        enabled=reward.terms.enabled,
        archived=reward.archived,
        occurred_at=unit.now(),
    )
    unit.emit(said.REWARD_UPDATED, body, reward.merchant_id)


def _shown(reward: Reward) -> said.Reward:
    return said.Reward(
        reward_id=reward.reward_id,
        version=reward.version,
        archived=reward.archived,
        taken=reward.taken,
        created_at=reward.created_at,
        updated_at=reward.updated_at,
        **{name: getattr(reward.terms, name) for name in _TERMS},
    )


class Offering:
    """Reads rewards."""

    def __init__(self, units: Units[Redeeming], sharing: Sharing) -> None:
        self._units = units
        self._sharing = sharing

    async def one(self, caller: Caller, request: said.GetReward) -> said.Reward:
        async with self._units() as unit:
            return _shown(await _known(unit, caller, request.reward_id))

    async def page(self, caller: Caller, request: said.ListRewards) -> said.Rewards:
        asked = _asked(caller, request.cursor, request.limit, offered=_is_member(caller))
        async with self._units() as unit:
            found = await unit.stores.rewards(asked)
        page = found[: request.limit]
        return said.Rewards(
            rewards=tuple(map(_shown, page)),
            next_cursor=str(page[-1].reward_id) if len(found) > len(page) else None,
        )

    async def offers(self, caller: Caller, request: said.ListOffers) -> said.Offers:
        key = wallet_of(caller, request)
        asked = _asked(caller, request.cursor, request.limit, offered=True)
        async with self._units() as unit:
            stores, now = unit.stores, unit.now()
            found = await stores.rewards(asked)
            own = await stores.account(key)
            buyer_key = BuyerKey(*key)
            buyer = (await stores.buyers([buyer_key])).get(buyer_key, NOBODY_SPECIAL)
            windows = {each.reward_id: window_of(each.terms, now) for each in found}
            tallies = await stores.tally(key, windows)
        spendable = (own.wallet or EMPTY).spendable
        if own.linked:
            spendable = await self._sharing.spendable(key)
        page = found[: request.limit]
        offers = []
        for each in page:
            cost = least_cost(each.terms)
            tally = tallies.get(each.reward_id, Tally())
            reason = why_not(each, now, buyer.tier, tally, spendable, cost)
            offers.append(
                said.Offer(
                    reward_id=each.reward_id,
                    name=each.terms.name,
                    kind=each.terms.kind,
                    cost=cost,
                    affordable=reason is None,
                    why_not=reason or "",
                )
            )
        return said.Offers(
            offers=tuple(offers),
            next_cursor=str(page[-1].reward_id) if len(found) > len(page) else None,
        )


def least_cost(terms: RewardTerms) -> int:
    """Points that a member needs at least."""
    return terms.min_points if terms.kind is RewardKind.INCREMENTAL else terms.cost


def _asked(caller: Caller, cursor: str | None, limit: int, *, offered: bool) -> RewardsAsked:
    """Raises InvalidRequest with everything that is wrong."""
    problems = limit_problems(limit)
    before = cursor_of(cursor, problems)
    if problems:
        raise InvalidRequest(problems=problems)
    return RewardsAsked(caller.tenant, offered, before, limit + 1)


def _is_member(caller: Caller) -> bool:
    return caller.audience is Audience.CUSTOMER
