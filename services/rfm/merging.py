"""Members who turn out to be one person are scored as one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from contracts.users import CustomerMerged
from domain.merging import ToldMerge
from ports.events import Received
from ports.profiles import Profiles
from ports.purchases import Bought, MemberKey
from ports.unit import Unit
from services.rfm.scoring import rescore


async def apply_merges(unit: Unit[Profiles], events: Sequence[Received[Any]]) -> None:
    """Let those who are kept have the orders of those merged into them, and score both anew."""
    told: dict[UUID, list[ToldMerge]] = defaultdict(list)
    causes: dict[UUID, Received[Any]] = {}
    for event in events:
        body: CustomerMerged = event.body
        told[event.merchant_id].append(ToldMerge(body.merged_id, body.kept_id, body.version))
        causes[event.merchant_id] = event
    changed: dict[MemberKey, Bought] = {}
    for merchant_id in sorted(told):  # in one order everywhere, so that no two batches deadlock
        for key, bought in (await unit.stores.merge(merchant_id, told[merchant_id])).items():
            changed[key] = replace(bought, cause=causes[merchant_id])
    await rescore(unit, changed, hold=True)
