"""What others ask of RFM: a member's scores, and how many members each segment has."""

from contracts.caller import Caller
from contracts.rfm import (
    CustomerRFM,
    GetCustomerRFM,
    GetSegmentCounts,
    SegmentCount,
    SegmentCounts,
)
from domain.errors import NotFound
from domain.rfm.segments import Segment
from ports.profiles import Profiles
from ports.purchases import MemberKey
from ports.unit import Units


class Reading:
    def __init__(self, units: Units[Profiles]) -> None:
        self._units = units

    async def customer(self, caller: Caller, request: GetCustomerRFM) -> CustomerRFM:
        async with self._units() as unit:
            found = await unit.stores.find(MemberKey(caller.tenant, request.customer_id))
        if found is None:
            raise NotFound("This shop has no such member with orders.")
        profile, scored = found
        if scored.score is None or profile.last_order_at is None:
            raise NotFound("No order of this member counts.")
        return CustomerRFM(
            customer_id=request.customer_id,
            recency=scored.score.r,
            frequency=scored.score.f,
            monetary=scored.score.m,
            segment=scored.segment,
            orders=profile.orders,
            spent=profile.spent,
            last_order_at=profile.last_order_at,
            scored_at=scored.scored_at,
        )

    async def segments(self, caller: Caller, _request: GetSegmentCounts) -> SegmentCounts:
        async with self._units() as unit:
            counts = await unit.stores.segment_counts(caller.tenant)
        segments = tuple(
            SegmentCount(segment=segment, members=counts.get(segment, 0)) for segment in Segment
        )
        return SegmentCounts(segments=segments, members=sum(each.members for each in segments))
