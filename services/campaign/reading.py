"""What others ask about VIP tiers: where a member stands, and how many members each tier has."""

from contracts.caller import Caller
from contracts.campaign import GetVIPTier, ListTiers, Tiers, TierSummary, VipTier
from domain.tiers import DEFAULT_LADDER, standing
from ports.purchases import MemberKey
from ports.standings import Standings
from ports.unit import Units
from services.campaign.standing import qualifying


class Reading:
    def __init__(self, units: Units[Standings]) -> None:
        self._units = units

    async def member(self, caller: Caller, request: GetVIPTier) -> VipTier:
        tenant = caller.tenant
        async with self._units() as unit:
            member = await unit.stores.find(MemberKey(tenant, request.customer_id))
            program = (await unit.stores.programs([tenant])).get(tenant)
        ladder = DEFAULT_LADDER if program is None else program.tiers
        amount = qualifying(ladder, member.climb)
        stands = standing(ladder, amount)
        return VipTier(
            customer_id=request.customer_id,
            tier=member.assigned.tier,
            qualifying=amount,
            next_tier="" if stands.next is None else stands.next.name,
            to_next=None if stands.next is None else stands.distance,
        )

    async def tiers(self, caller: Caller, _request: ListTiers) -> Tiers:
        tenant = caller.tenant
        async with self._units() as unit:
            program = (await unit.stores.programs([tenant])).get(tenant)
            counts = await unit.stores.tier_counts(tenant)
        ladder = DEFAULT_LADDER if program is None else program.tiers
        return Tiers(
            tiers=tuple(
                TierSummary(
                    name=tier.name,
                    threshold=tier.threshold,
                    multiplier=tier.multiplier,
                    members=counts.get(tier.name, 0),
                )
                for tier in ladder.tiers
            )
        )
