"""Campaigns: VIP tiers (and, later, time-boxed promotions)."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.kit import Body, Contracts, Event, Instant, Operation, Request, Response, get

_CAMPAIGN: Final = "campaign"


class GetVIPTier(Request, frozen=True, kw_only=True):
    customer_id: UUID


class VipTier(Response, frozen=True, kw_only=True):
    """A member's tier, "" below the first; ``to_next`` is what is missing, None at the top."""

    customer_id: UUID
    tier: str
    qualifying: Decimal
    next_tier: str = ""
    to_next: Decimal | None = None


GET_VIP_TIER: Final = Operation(
    "campaign.v1.GetVIPTier",
    GetVIPTier,
    VipTier,
    permission="customers:read",
    summary="A member's VIP tier and the way to the next.",
    http=get("/api/campaigns/tier"),
)


class ListTiers(Request, frozen=True, kw_only=True):
    pass


class TierSummary(Response, frozen=True, kw_only=True):
    name: str
    threshold: Decimal
    multiplier: Decimal
    members: int


class Tiers(Response, frozen=True, kw_only=True):
    tiers: tuple[TierSummary, ...]


LIST_TIERS: Final = Operation(
    "campaign.v1.ListTiers",
    ListTiers,
    Tiers,
    permission="settings:read",
    summary="The shop's tiers, lowest first, with how many members each has.",
    http=get("/api/campaigns/tiers"),
)


class TierAssigned(Body, frozen=True, kw_only=True):
    """A member moved to a tier, "" for none; ``version`` tells the newer of two."""

    customer_id: UUID
    shopify_customer_id: str = ""
    tier: str
    previous: str = ""
    version: int
    occurred_at: Instant


TIER_ASSIGNED: Final = Event(
    "vip_tier.assigned", TierAssigned, _CAMPAIGN, "A member reached or left a VIP tier."
)

CONTRACTS: Final = Contracts(operations=(GET_VIP_TIER, LIST_TIERS), events=(TIER_ASSIGNED,))
