"""Customers who leave a shop: deleted by it, or merged into another, there or here."""

from collections.abc import Sequence
from typing import Any

from contracts.caller import Caller
from contracts.shop import CustomerGone, CustomersMerged
from contracts.users import (
    CUSTOMER,
    CUSTOMER_MERGED,
    USER_DELETED,
    USER_UPDATED,
    CustomerMerged,
    MergedUsers,
    MergeUsers,
    UserChanged,
    UserDeleted,
)
from domain.errors import InvalidRequest, NotFound, Problem
from ports.departures import Departures, Merge
from ports.events import Received
from ports.people import PersonKey
from ports.unit import Unit


async def apply_departures(unit: Unit[Departures], events: Sequence[Received[Any]]) -> None:
    """Forget who was deleted, and let those who were kept stand for those merged into them."""
    gone: dict[PersonKey, Received[Any]] = {}
    merges: list[Received[Any]] = []
    for event in events:
        match event.body:
            case CustomerGone() as customer:
                gone[PersonKey(event.merchant_id, customer.customer_id)] = event
            case CustomersMerged(completed=True):
                merges.append(event)
    now = unit.now()
    customers = {key: event.body.shopify_customer_id for key, event in gone.items()}
    for key in await unit.stores.forget(customers, now):
        body = UserDeleted(user_id=key.user_id, kind=CUSTOMER, occurred_at=now)
        unit.emit(USER_DELETED, body, key.merchant_id, cause=gone[key])
    # One by one: shops merge customers now and then, and each merge builds on those before it. In
    # one order of shops everywhere, so that no two batches wait for each other.
    for event in sorted(merges, key=lambda event: event.merchant_id):
        body = event.body
        merge = Merge(
            merchant_id=event.merchant_id,
            kept_id=body.kept_customer_id,
            merged_id=body.merged_customer_id,
            merged_shopify_id=body.merged_shopify_customer_id,
        )
        await _merge(unit, merge, event)


async def merge_users(unit: Unit[Departures], caller: Caller, request: MergeUsers) -> MergedUsers:
    """Merge two customers whom the shop goes on having as two."""
    tenant = caller.tenant
    if request.kept_id == request.merged_id:
        raise InvalidRequest(problems=[Problem("/merged_id", "This is the same person.")])
    await unit.stores.begin_merge(tenant)
    for user_id in sorted((request.kept_id, request.merged_id)):
        person = await unit.stores.lock(PersonKey(tenant, user_id))
        if person is None or person.kind != CUSTOMER:
            raise NotFound("This shop has no such customer.")
    await _merge(unit, Merge(tenant, request.kept_id, request.merged_id, ""))
    return MergedUsers(kept_id=request.kept_id, merged_id=request.merged_id)


async def _merge(unit: Unit[Departures], merge: Merge, cause: Received[Any] | None = None) -> None:
    now = unit.now()
    merged = await unit.stores.merge(merge, now)
    if merged is None:
        return
    for merged_id in merged.merged_ids:
        body = CustomerMerged(
            kept_id=merged.kept_id, merged_id=merged_id, version=merged.version, occurred_at=now
        )
        unit.emit(CUSTOMER_MERGED, body, merge.merchant_id, cause=cause)
    if (person := merged.completed) is not None:
        changed = UserChanged(
            user_id=person.key.user_id,
            kind=person.kind,
            shopify_customer_id=person.shopify_customer_id,
            language=person.language,
            occurred_at=now,
        )
        unit.emit(USER_UPDATED, changed, merge.merchant_id, cause=cause)
