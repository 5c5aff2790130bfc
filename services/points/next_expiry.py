"""Which points of members expire next, and when."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.points.expiry import NextExpiry, next_expiry
from ports.unit import Unit
from services.points.posting import LedgerT


async def next_expiries(
    unit: Unit[LedgerT], merchant_id: UUID, customers: Sequence[UUID]
) -> Mapping[UUID, NextExpiry]:
    """What expires next of these members' points; without those of whom nothing will."""
    found = await unit.stores.ageing(merchant_id, customers)
    if not found:
        return {}
    zone = await zone_of(unit, merchant_id)
    soon = {customer_id: next_expiry(ageing, zone) for customer_id, ageing in found.items()}
    return {customer_id: next_ for customer_id, next_ in soon.items() if next_ is not None}


async def zone_of(unit: Unit[LedgerT], merchant_id: UUID) -> str:
    """The time zone by which a shop's days end."""
    program = (await unit.stores.programs([merchant_id])).get(merchant_id)
    return "UTC" if program is None else program.time_zone
