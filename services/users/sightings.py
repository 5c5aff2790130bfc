"""What a shop's records and orders tell about its customers, whatever order they arrive in.

Nothing is opened here: what the edge sealed is stored as it is.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.kit import Instant
from contracts.shop import CustomerRecord
from contracts.users import USER_CREATED, USER_UPDATED, UserChanged
from contracts.views import View
from ports.events import Received
from ports.people import People, PersonKey, Sighting
from ports.unit import Unit


class Buyer(View, frozen=True, kw_only=True):
    customer_id: UUID
    shopify_customer_id: str
    email_index: str = ""
    sealed_contact: str = ""
    email_verified: bool = False


class OrderOfSomebody(View, frozen=True, kw_only=True):
    """``contracts.shop.Order`` as far as it shows who the customer is."""

    created_at: Instant
    updated_at: Instant
    customer: Buyer | None = None


async def apply_shop_events(unit: Unit[People], events: Sequence[Received[Any]]) -> None:
    """Keep what each of these events shows of a customer, where it is news."""
    best: dict[PersonKey, tuple[Sighting, Received[Any]]] = {}
    for event in events:
        sighting = _sighting(event)
        if sighting is None:
            continue  # a guest
        known = best.get(sighting.key)
        if known is None or sighting.outdoes(known[0]):
            best[sighting.key] = (sighting, event)
    changed = await unit.stores.learn(sighting for sighting, _ in best.values())
    now = unit.now()
    for key, is_new in changed.items():
        sighting, cause = best[key]
        unit.emit(
            USER_CREATED if is_new else USER_UPDATED,
            UserChanged(
                user_id=key.user_id,
                kind="customer",
                shopify_customer_id=sighting.shopify_customer_id,
                language=sighting.language,
                occurred_at=now,
            ),
            key.merchant_id,
            cause=cause,
        )


def _sighting(event: Received[Any]) -> Sighting | None:
    match event.body:
        case CustomerRecord() as record:
            return Sighting(
                key=PersonKey(event.merchant_id, record.customer_id),
                shopify_customer_id=record.shopify_customer_id,
                email_index=record.email_index,
                sealed_contact=record.sealed_contact,
                language=record.language,
                from_order=False,
                created_at=record.created_at,
                updated_at=record.updated_at,
                email_verified=record.email_verified,
            )
        case OrderOfSomebody(customer=customer) as order if customer is not None:
            return Sighting(
                key=PersonKey(event.merchant_id, customer.customer_id),
                shopify_customer_id=customer.shopify_customer_id,
                email_index=customer.email_index,
                sealed_contact=customer.sealed_contact,
                language="",
                from_order=True,
                created_at=order.created_at,
                updated_at=order.updated_at,
                email_verified=customer.email_verified,
            )
        case _:
            return None
