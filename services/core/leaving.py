"""Members who leave are shown no more: deleted by their shop, or merged into another member."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.users import CUSTOMER, CustomerMerged, UserDeleted
from domain.merging import ToldMerge
from ports.events import Received
from ports.leaving import Leaving
from ports.purchases import MemberKey
from ports.unit import Unit


async def apply_departures(unit: Unit[Leaving], events: Sequence[Received[Any]]) -> None:
    """Let those leave of whom these events say so, whether they were known or not."""
    gone: set[MemberKey] = set()
    told: dict[UUID, list[ToldMerge]] = defaultdict(list)
    for event in events:
        match event.body:
            case UserDeleted(kind=kind, user_id=user_id) if kind == CUSTOMER:
                gone.add(MemberKey(event.merchant_id, user_id))
            case CustomerMerged() as merged:
                merge = ToldMerge(merged.merged_id, merged.kept_id, merged.version)
                told[event.merchant_id].append(merge)
    now = unit.now()
    await unit.stores.leave(gone, now)
    for merchant_id in sorted(told):  # in one order everywhere, so that no two batches deadlock
        await unit.stores.merge(merchant_id, told[merchant_id], now)
