"""Moving points when members turn out to be one person: to the one who is kept, every one once.

Which wallet a member has is asked where entries are posted. So what comes later under the id of the
one who is gone counts for the one who is kept, and here only that is moved which was there before.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.users import CustomerMerged
from domain.merging import ToldMerge
from domain.points.merging import transfers
from ports.events import Received
from ports.ledger import Ledger, NewEntry
from ports.unit import Unit
from services.points.posting import post


async def apply_merges(unit: Unit[Ledger], events: Sequence[Received[Any]]) -> None:
    """Let those who are kept have the points of those merged into them."""
    told: dict[UUID, list[ToldMerge]] = defaultdict(list)
    causes: dict[UUID, Received[Any]] = {}
    for event in events:
        body: CustomerMerged = event.body
        told[event.merchant_id].append(ToldMerge(body.merged_id, body.kept_id, body.version))
        causes[event.merchant_id] = event
    now = unit.now()
    entries: list[NewEntry] = []
    caused: dict[UUID, Received[Any]] = {}
    for merchant_id in sorted(told):  # in one order everywhere, so that no two batches deadlock
        for left in await unit.stores.merge(merchant_id, told[merchant_id]):
            for transfer in transfers(
                left.merged.customer_id, left.wallet, left.version, left.lots
            ):
                for key, draft in ((left.merged, transfer.taken), (left.kept, transfer.given)):
                    entry = NewEntry(unit.new_id(), key, draft, now)
                    entries.append(entry)
                    caused[entry.entry_id] = causes[merchant_id]
    await post(unit, entries, caused)
