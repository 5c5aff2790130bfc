"""``ports.privacy.PrivacyRequests`` on PostgreSQL."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from adapters.postgres.connection import Connection, text
from domain.privacy import RequestKind, RequestState
from ports.privacy import NewRequest, StoredRequest

# In the order of what makes a request unique, so that two batches never wait in a circle.
_TAKE_IN: Final = text(
    """
    INSERT INTO gdpr_requests (
        merchant_id, request_id, kind, request_key, state, shopify_customer_id, customer_id,
        order_ids, sealed_payload, received_at, due_at
    )
    SELECT merchant_id, request_id, kind, request_key, 'received', shopify_customer_id,
        customer_id, ARRAY(SELECT jsonb_array_elements_text(order_ids)), sealed_payload,
        received_at, due_at
    FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:ids AS uuid[]), CAST(:kinds AS text[]),
        CAST(:keys AS text[]), CAST(:shopify_customers AS text[]), CAST(:customers AS uuid[]),
        CAST(:orders AS jsonb[]), CAST(:payloads AS text[]), CAST(:received AS timestamptz[]),
        CAST(:due AS timestamptz[])
    ) AS n (
        merchant_id, request_id, kind, request_key, shopify_customer_id, customer_id, order_ids,
        sealed_payload, received_at, due_at
    )
    ORDER BY merchant_id, kind, request_key
    ON CONFLICT (merchant_id, kind, request_key) DO NOTHING
    RETURNING request_id
    """
)
_REQUESTS: Final = text(
    """
    SELECT request_id, kind, state, customer_id, received_at, due_at FROM gdpr_requests
    WHERE merchant_id = :merchant_id AND request_id < CAST(:before AS uuid)
    ORDER BY request_id DESC LIMIT :most
    """
)
_LAST: Final = UUID(int=2**128 - 1)


class PostgresPrivacyRequests:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take_in(self, requests: Sequence[NewRequest]) -> set[UUID]:
        rows = await self._connection.execute(
            _TAKE_IN,
            {
                "merchants": [each.merchant_id for each in requests],
                "ids": [each.request_id for each in requests],
                "kinds": [each.kind for each in requests],
                "keys": [each.key for each in requests],
                "shopify_customers": [each.shopify_customer_id for each in requests],
                "customers": [each.customer_id for each in requests],
                "orders": [msgspec.json.encode(each.order_ids).decode() for each in requests],
                "payloads": [each.sealed_payload for each in requests],
                "received": [each.received_at for each in requests],
                "due": [each.due_at for each in requests],
            },
        )
        return set(rows.scalars())

    async def requests(
        self, merchant_id: UUID, before: UUID | None, limit: int
    ) -> Sequence[StoredRequest]:
        rows = await self._connection.execute(
            _REQUESTS, {"merchant_id": merchant_id, "before": before or _LAST, "most": limit}
        )
        return [
            StoredRequest(
                request_id=row.request_id,
                kind=RequestKind(row.kind),
                state=RequestState(row.state),
                customer_id=row.customer_id,
                received_at=row.received_at,
                due_at=row.due_at,
            )
            for row in rows
        ]
