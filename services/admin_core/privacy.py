"""Privacy requests: taken in from the shops' compliance webhooks, each once, and listed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.admin_core import (
    GDPR_REQUEST_CREATED,
    ListPrivacyRequests,
    PrivacyCase,
    PrivacyCases,
    PrivacyRequestCreated,
)
from contracts.caller import Caller
from contracts.paging import cursor_of, limit_problems
from contracts.shop import CUSTOMER_REDACTED, DATA_REQUESTED, SHOP_REDACTED
from domain.errors import InvalidRequest
from domain.privacy import RequestKind, due_at
from ports.events import Received
from ports.privacy import NewRequest, PrivacyRequests
from ports.unit import Unit, Units

_KINDS: Final[Mapping[str, RequestKind]] = {
    DATA_REQUESTED.name: RequestKind.DATA_REQUEST,
    CUSTOMER_REDACTED.name: RequestKind.CUSTOMER_REDACT,
    SHOP_REDACTED.name: RequestKind.SHOP_REDACT,
}


async def take_in(unit: Unit[PrivacyRequests], events: Sequence[Received[Any]]) -> None:
    """Store the requests that are new, and say so of each."""
    found: dict[NewRequest, Received[Any]] = {}
    for event in events:
        body = event.body
        request = NewRequest(
            request_id=unit.new_id(),
            merchant_id=event.merchant_id,
            kind=_KINDS[event.event.name],
            key=body.request_key,
            shopify_customer_id=body.shopify_customer_id,
            customer_id=body.customer_id,
            order_ids=body.order_ids,
            sealed_payload=body.sealed_payload,
            received_at=event.at,
            due_at=due_at(event.at),
        )
        found[request] = event
    new = await unit.stores.take_in(list(found))
    for request, event in found.items():
        if request.request_id in new:
            created = PrivacyRequestCreated(
                request_id=request.request_id,
                kind=request.kind,
                customer_id=request.customer_id,
                due_at=request.due_at,
            )
            unit.emit(GDPR_REQUEST_CREATED, created, request.merchant_id, cause=event)


class PrivacyDesk:
    def __init__(self, units: Units[PrivacyRequests]) -> None:
        self._units = units

    async def find(self, caller: Caller, request: ListPrivacyRequests) -> PrivacyCases:
        problems = limit_problems(request.limit)
        before = cursor_of(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.requests(caller.tenant, before, request.limit + 1)
        page = found[: request.limit]
        return PrivacyCases(
            requests=tuple(
                PrivacyCase(
                    request_id=each.request_id,
                    kind=each.kind,
                    state=each.state,
                    customer_id=each.customer_id,
                    received_at=each.received_at,
                    due_at=each.due_at,
                )
                for each in page
            ),
            next_cursor=str(page[-1].request_id) if len(found) > len(page) else None,
        )
