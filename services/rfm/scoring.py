"""Scoring members: after what they bought, after time has passed, after the thresholds changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from contracts.rfm import RFM_UPDATED, RfmUpdated
from contracts.users import CUSTOMER, UserDeleted
from domain.rfm.profile import Profile
from domain.rfm.scoring import Score, decays_at, score
from domain.rfm.segments import segment_of
from domain.rfm.thresholds import DEFAULT_THRESHOLDS
from ports.events import Received
from ports.profiles import Profiles, Rescored, Scored
from ports.programs import newest_programs
from ports.purchases import Bought, Buyer, MemberKey, hear
from ports.unit import Unit, Units

_AT_ONCE: Final = 500
_NONE: Final = Score(0, 0, 0)


async def apply_shop_events(unit: Unit[Profiles], events: Sequence[Received[Any]]) -> None:
    """Bring the profiles to what these orders and refunds say, and score whose profile changed."""
    await rescore(unit, await unit.stores.learn(hear(events)), hold=True)


async def apply_departures(unit: Unit[Profiles], events: Sequence[Received[Any]]) -> None:
    """Take those out of their segments whom their shop has deleted."""
    gone = {
        MemberKey(event.merchant_id, event.body.user_id)
        for event in events
        if isinstance(event.body, UserDeleted) and event.body.kind == CUSTOMER
    }
    await unit.stores.depart(gone, unit.now())
    await rescore(unit, _unchanged(await unit.stores.lock_buyers(gone)), hold=False)


async def apply_programs(unit: Unit[Profiles], events: Sequence[Received[Any]]) -> None:
    """Keep each shop's thresholds at hand; its members are scored again where they changed."""
    newest = newest_programs(events)
    replaced = await unit.stores.learn_programs(newest)
    await unit.stores.begin_walks(
        merchant
        for merchant, before in replaced.items()
        if newest[merchant].rfm != (DEFAULT_THRESHOLDS if before is None else before.rfm)
    )


async def rescore_decayed(units: Units[Profiles]) -> None:
    """Score the members whose score time alone has changed; some at a time, so that nobody waits
    long for it."""
    while True:
        async with units() as unit:
            keys = await unit.stores.decayed(unit.now(), _AT_ONCE)
            await _score_again(unit, keys)
        if len(keys) < _AT_ONCE:
            return


async def rescore_changed(units: Units[Profiles]) -> None:
    """Score the members of shops whose thresholds changed; some at a time, and a crash loses no
    more than those."""
    while True:
        async with units() as unit:
            keys = await unit.stores.next_members(_AT_ONCE)
            await _score_again(unit, keys)
        if not keys:
            return


async def _score_again(unit: Unit[Profiles], keys: Sequence[MemberKey]) -> None:
    if not keys:
        return
    await rescore(unit, _unchanged(await unit.stores.lock_buyers(keys)), hold=False)


def _unchanged(buyers: Mapping[MemberKey, Buyer]) -> Mapping[MemberKey, Bought]:
    """Members who have bought nothing new."""
    return {
        key: Bought(buyer.profile, buyer.profile, buyer.shopify_customer_id)
        for key, buyer in buyers.items()
    }


async def rescore(unit: Unit[Profiles], members: Mapping[MemberKey, Bought], *, hold: bool) -> None:
    """Score these members, store it, and announce those of whom something changed. ``hold``: the
    shops' thresholds stay as they are until the transaction ends."""
    if not members:
        return
    programs = await unit.stores.programs({key.merchant_id for key in members}, hold=hold)
    thresholds = {merchant: program.rfm for merchant, program in programs.items()}
    known = await unit.stores.scores(members)
    now = unit.now()
    rescored: dict[MemberKey, Rescored] = {}
    for key, member in members.items():
        before = known.get(key)
        steps = thresholds.get(key.merchant_id, DEFAULT_THRESHOLDS)
        departed = before is not None and before.departed
        found = None if departed else score(member.after, steps, now)
        changed = _shown(member.before) != _shown(member.after)
        changed |= found != (before and before.score)
        after = Scored(
            score=found,
            segment="" if found is None else segment_of(found),
            scored_at=now,
            decays_at=None if departed else decays_at(member.after, steps, now),
            version=(before.version if before else 0) + changed,
        )
        if changed:
            unit.emit(
                RFM_UPDATED,
                _announcement(key, member, Rescored(before, after)),
                key.merchant_id,
                cause=member.cause,
            )
        elif before is not None and before.decays_at == after.decays_at:
            continue
        rescored[key] = Rescored(before, after)
    await unit.stores.keep(rescored)


def _shown(profile: Profile) -> tuple[int, Decimal, datetime | None]:
    """What others are told of a profile."""
    return profile.orders, profile.spent, profile.last_order_at


def _announcement(key: MemberKey, member: Bought, change: Rescored) -> RfmUpdated:
    r, f, m = change.after.score or _NONE
    return RfmUpdated(
        customer_id=key.customer_id,
        shopify_customer_id=member.shopify_customer_id,
        recency=r,
        frequency=f,
        monetary=m,
        segment=change.after.segment,
        previous_segment="" if change.before is None else change.before.segment,
        orders=member.after.orders,
        spent=member.after.spent,
        last_order_at=member.after.last_order_at,
        version=change.after.version,
        occurred_at=change.after.scored_at,
    )
