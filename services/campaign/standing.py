"""Moving members between VIP tiers: after what they bought, and after a change of the ladder."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from contracts.campaign import TIER_ASSIGNED, TierAssigned
from domain.rfm.profile import Profile
from domain.tiers import DEFAULT_LADDER, TierLadder, TierMetric, tier_for
from ports.events import Received
from ports.programs import newest_programs
from ports.purchases import Bought, MemberKey, hear
from ports.standings import NEVER, Assigned, Move, Standings
from ports.unit import Unit, Units

_AT_ONCE: Final = 500


async def apply_shop_events(unit: Unit[Standings], events: Sequence[Received[Any]]) -> None:
    """Bring the profiles to what these orders and refunds say, and move whom it moves."""
    await _move(unit, await unit.stores.learn(hear(events)), hold=True)


async def apply_programs(unit: Unit[Standings], events: Sequence[Received[Any]]) -> None:
    """Keep each shop's ladder at hand; its members are looked at again where it changed."""
    newest = newest_programs(events)
    replaced = await unit.stores.learn_programs(newest)
    await unit.stores.begin_walks(
        merchant
        for merchant, before in replaced.items()
        if newest[merchant].tiers != (DEFAULT_LADDER if before is None else before.tiers)
    )


async def reassign(units: Units[Standings]) -> None:
    """Move the members of shops whose ladder changed; some at a time, so that nobody waits long
    for it and a crash loses little."""
    while True:
        async with units() as unit:
            keys = await unit.stores.next_members(_AT_ONCE)
            if not keys:
                return
            buyers = await unit.stores.lock_buyers(keys)
            unchanged = {
                key: Bought(buyer.profile, buyer.profile, buyer.shopify_customer_id)
                for key, buyer in buyers.items()
            }
            await _move(unit, unchanged, hold=False)


async def _move(unit: Unit[Standings], members: Mapping[MemberKey, Bought], *, hold: bool) -> None:
    """Give each of these members the tier they stand on, and announce those that changed."""
    if not members:
        return
    programs = await unit.stores.programs({key.merchant_id for key in members}, hold=hold)
    ladders = {merchant: program.tiers for merchant, program in programs.items()}
    known = await unit.stores.tiers(members)
    now = unit.now()
    moves: dict[MemberKey, Move] = {}
    for key, member in members.items():
        ladder = ladders.get(key.merchant_id, DEFAULT_LADDER)
        tier = tier_for(ladder, qualifying(ladder, member.after))
        name = "" if tier is None else tier.name
        before = known.get(key, NEVER)
        if name == before.tier:
            continue
        after = Assigned(name, before.version + 1)
        moves[key] = Move(before, after, now)
        unit.emit(
            TIER_ASSIGNED,
            TierAssigned(
                customer_id=key.customer_id,
                shopify_customer_id=member.shopify_customer_id,
                tier=after.tier,
                previous=before.tier,
                version=after.version,
                occurred_at=now,
            ),
            key.merchant_id,
            cause=member.cause,
        )
    await unit.stores.assign(moves)


def qualifying(ladder: TierLadder, profile: Profile) -> Decimal:
    """What a member climbs this ladder with: lifetime net spend in shop currency, or orders.

    A ladder by points has nobody on it: its metric is not known here, and core accepts none.
    """
    match ladder.metric:
        case TierMetric.SPEND:
            return profile.spent
        case TierMetric.ORDERS:
            return Decimal(profile.orders)
        case TierMetric.POINTS:
            return Decimal(0)
