"""Privacy requests as they are taken in, each once, with the day by which they are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.privacy import RequestKind, RequestState


@dataclass(frozen=True, slots=True)
class NewRequest:
    """``key`` is what makes two deliveries the same request of a shop."""

    request_id: UUID
    merchant_id: UUID
    kind: RequestKind
    key: str
    shopify_customer_id: str
    customer_id: UUID | None
    order_ids: tuple[str, ...]
    sealed_payload: str
    received_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class StoredRequest:
    request_id: UUID
    kind: RequestKind
    state: RequestState
    customer_id: UUID | None
    received_at: datetime
    due_at: datetime


class PrivacyRequests(Protocol):
    async def take_in(self, requests: Sequence[NewRequest]) -> set[UUID]:
        """Store those that are new; returns their ids."""
        ...

    async def requests(
        self, merchant_id: UUID, before: UUID | None, limit: int
    ) -> Sequence[StoredRequest]:
        """Newest first, those taken in before ``before``."""
        ...
