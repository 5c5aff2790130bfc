"""Moving members between VIP tiers: after what they bought, and after a change of the ladder.

What a member has bought is kept once, by rfm, which says it with every change (``rfm.updated``).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from contracts.campaign import TIER_ASSIGNED, TierAssigned
from contracts.rfm import RfmUpdated
from domain.tiers import DEFAULT_LADDER, TierLadder, TierMetric, tier_for
from ports.events import Received
from ports.programs import newest_programs
from ports.purchases import MemberKey
from ports.standings import Assigned, Climb, Move, Standing, Standings
from ports.unit import Unit, Units

_AT_ONCE: Final = 500


async def apply_mesh_events(unit: Unit[Standings], events: Sequence[Received[Any]]) -> None:
    """Keep each shop's ladder at hand, and move whom these events move. After a change of the
    ladder all members of the shop are looked at again."""
    newest = newest_programs(events)
    replaced = await unit.stores.learn_programs(newest)
    await unit.stores.begin_walks(
        merchant
        for merchant, before in replaced.items()
        if newest[merchant].tiers != (DEFAULT_LADDER if before is None else before.tiers)
    )
    told: dict[MemberKey, Climb] = {}
    causes: dict[MemberKey, Received[Any]] = {}
    for event in events:
        if isinstance(event.body, RfmUpdated):
            key = MemberKey(event.merchant_id, event.body.customer_id)
            climb = _climb(event.body)
            known = told.get(key)
            if known is None or known.version < climb.version:
                told[key], causes[key] = climb, event
    await _move(unit, await unit.stores.learn(told), causes, hold=True)


async def reassign(units: Units[Standings]) -> None:
    """Move the members of shops whose ladder changed; some at a time, so that nobody waits long
    for it and a crash loses little."""
    while True:
        async with units() as unit:
            keys = await unit.stores.next_members(_AT_ONCE)
            if not keys:
                return
            await _move(unit, await unit.stores.lock(keys), {}, hold=False)


async def _move(
    unit: Unit[Standings],
    members: Mapping[MemberKey, Standing],
    causes: Mapping[MemberKey, Received[Any]],
    *,
    hold: bool,
) -> None:
    """Give each of these members the tier they stand on, and announce those that changed."""
    if not members:
        return
    programs = await unit.stores.programs({key.merchant_id for key in members}, hold=hold)
    ladders = {merchant: program.tiers for merchant, program in programs.items()}
    now = unit.now()
    moves: dict[MemberKey, Move] = {}
    for key, member in members.items():
        ladder = ladders.get(key.merchant_id, DEFAULT_LADDER)
        tier = tier_for(ladder, qualifying(ladder, member.climb))
        name, before = "" if tier is None else tier.name, member.assigned
        if name == before.tier:
            continue
        after = Assigned(name, before.version + 1)
        moves[key] = Move(before, after, now)
        unit.emit(
            TIER_ASSIGNED,
            TierAssigned(
                customer_id=key.customer_id,
                shopify_customer_id=member.climb.shopify_customer_id,
                tier=after.tier,
                previous=before.tier,
                version=after.version,
                occurred_at=now,
            ),
            key.merchant_id,
            cause=causes.get(key),
        )
    await unit.stores.assign(moves)


def qualifying(ladder: TierLadder, climb: Climb) -> Decimal:
    """What a member climbs this ladder with: lifetime net spend in shop currency, or orders.

    A ladder by points has nobody on it: its metric is not known here, and core accepts none.
    """
    match ladder.metric:
        case TierMetric.SPEND:
            return climb.spent
        case TierMetric.ORDERS:
            return Decimal(climb.orders)
        case TierMetric.POINTS:
            return Decimal(0)


def _climb(said: RfmUpdated) -> Climb:
    return Climb(said.orders, said.spent, said.shopify_customer_id, said.version)
