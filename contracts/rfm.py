"""RFM: how recently, how often and for how much members buy, and the segments that follow."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.kit import Body, Contracts, Event, Instant, Operation, Request, Response, get
from domain.errors import NotFound

_RFM: Final = "rfm"


class GetCustomerRFM(Request, frozen=True, kw_only=True):
    customer_id: UUID


class CustomerRFM(Response, frozen=True, kw_only=True):
    """Scores from 1 to 5 as of ``scored_at``; ``spent`` is net of refunds, in shop currency."""

    customer_id: UUID
    recency: int
    frequency: int
    monetary: int
    segment: str
    orders: int
    spent: Decimal
    last_order_at: Instant
    scored_at: Instant


GET_CUSTOMER_RFM: Final = Operation(
    "rfm.v1.GetCustomerRFM",
    GetCustomerRFM,
    CustomerRFM,
    permission="analytics:read",
    summary="A member's scores and segment.",
    http=get("/v1/api/rfm/customer"),
    errors=(NotFound,),
)


class GetSegmentCounts(Request, frozen=True, kw_only=True):
    pass


class SegmentCount(Response, frozen=True, kw_only=True):
    segment: str
    members: int


class SegmentCounts(Response, frozen=True, kw_only=True):
    """Every segment once, those without members too."""

    segments: tuple[SegmentCount, ...]
    members: int


GET_SEGMENT_COUNTS: Final = Operation(
    "rfm.v1.GetSegmentCounts",
    GetSegmentCounts,
    SegmentCounts,
    permission="analytics:read",
    summary="How many members each segment has.",
    http=get("/v1/api/rfm/segments"),
)


class RfmUpdated(Body, frozen=True, kw_only=True):
    """A member's scores changed, or their orders did; ``version`` tells the newer of two.

    When no order counts any more, the scores are 0 and the segment is empty.
    """

    customer_id: UUID
    shopify_customer_id: str = ""
    recency: int
    frequency: int
    monetary: int
    segment: str
    previous_segment: str = ""
    orders: int
    spent: Decimal
    last_order_at: Instant | None = None
    version: int
    occurred_at: Instant


RFM_UPDATED: Final = Event("rfm.updated", RfmUpdated, _RFM, "A member was scored again.")

CONTRACTS: Final = Contracts(
    operations=(GET_CUSTOMER_RFM, GET_SEGMENT_COUNTS), events=(RFM_UPDATED,)
)
