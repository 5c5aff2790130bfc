"""Core: the program's settings, the members' profiles, and what the plan has left."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.kit import (
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
    put,
)
from domain.errors import InvalidRequest, Kind, LoyaltyError, NotFound
from domain.program import ProgramSettings

_CORE: Final = "core"


class SettingsConflict(LoyaltyError):
    """Somebody else saved in between; ``version`` of the request is not the current one."""

    code = "SETTINGS_CONFLICT"
    kind = Kind.CONFLICT
    title = "The settings were changed by somebody else in the meantime; load them again."


class GetSettings(Request, frozen=True, kw_only=True):
    """``version`` 0 asks for the current one."""

    version: int = 0


class Settings(Response, frozen=True, kw_only=True):
    settings: ProgramSettings
    updated_at: Instant
    updated_by: str


GET_SETTINGS: Final = Operation(
    "core.v1.GetSettings",
    GetSettings,
    Settings,
    permission="settings:read",
    summary="The shop's program: earning rules, tiers, thresholds.",
    http=get("/v1/api/core/settings"),
    errors=(NotFound, InvalidRequest),
)


class UpdateSettings(Request, frozen=True, kw_only=True):
    """``settings.version`` is the version these were made from; the saved one is one higher.
    The plan and the currency are not changed here."""

    settings: ProgramSettings


UPDATE_SETTINGS: Final = Operation(
    "core.v1.UpdateSettings",
    UpdateSettings,
    Settings,
    permission="settings:write",
    summary="Save a new version of the program; every problem in it is reported.",
    http=put("/v1/api/core/settings"),
    errors=(InvalidRequest, NotFound, SettingsConflict),
    idempotency=Idempotency.NATURAL,
)


class GetCustomerRFM(Request, frozen=True, kw_only=True):
    customer_id: UUID


class Member(Response, frozen=True, kw_only=True):
    """A member's profile, without personal data. Scores are 0 before the first order."""

    customer_id: UUID
    shopify_customer_id: str
    recency: int = 0
    frequency: int = 0
    monetary: int = 0
    segment: str = ""
    tier: str = ""
    orders: int = 0
    spent: Decimal = Decimal(0)
    last_order_at: Instant | None = None
    created_at: Instant


GET_CUSTOMER_RFM: Final = Operation(
    "core.v1.GetCustomerRFM",
    GetCustomerRFM,
    Member,
    permission="customers:read",
    summary="A member's profile with scores, segment and tier.",
    http=get("/v1/api/core/member"),
    errors=(NotFound,),
)


class ListMembers(Request, frozen=True, kw_only=True):
    """Newest order first. ``segment`` and ``tier`` narrow; ``limit`` is 1 to 250."""

    segment: str = ""
    tier: str = ""
    cursor: str | None = None
    limit: int = 50


class Members(Page, frozen=True, kw_only=True):
    members: tuple[Member, ...]


LIST_MEMBERS: Final = Operation(
    "core.v1.ListMembers",
    ListMembers,
    Members,
    permission="customers:read",
    summary="The members of the program.",
    http=get("/v1/api/core/members"),
    errors=(InvalidRequest,),
)


class MembersOf(Request, frozen=True, kw_only=True):
    customer_ids: tuple[UUID, ...]


class MembersFound(Response, frozen=True, kw_only=True):
    """The members that exist of those asked for, in no particular order."""

    members: tuple[Member, ...]


GET_MEMBERS: Final = Operation(
    "core.v1.GetMembers",
    MembersOf,
    MembersFound,
    permission="customers:read",
    summary="The profiles of many members at once (250 at most).",
    http=post("/v1/api/core/members/batch"),
    errors=(InvalidRequest,),
)


class GetUsage(Request, frozen=True, kw_only=True):
    pass


class Usage(Response, frozen=True, kw_only=True):
    """Orders counted in this calendar month (UTC); ``limit`` is None without one."""

    plan: str
    month: str
    orders: int
    limit: int | None
    members: int


GET_USAGE: Final = Operation(
    "core.v1.GetUsage",
    GetUsage,
    Usage,
    permission="settings:read",
    summary="What the shop has used of its plan this month.",
    http=get("/v1/api/core/usage"),
)


class CustomerChanged(Body, frozen=True, kw_only=True):
    """A member's profile, whole; ``version`` tells the newer of two."""

    customer_id: UUID
    shopify_customer_id: str = ""
    segment: str = ""
    tier: str = ""
    version: int = 0
    occurred_at: Instant


class PlanLimitWarning(Body, frozen=True, kw_only=True):
    """Usage crossed 80 or 100 percent of the plan."""

    plan: str
    month: str
    percent: int
    orders: int
    limit: int


class SettingsUpdated(Body, frozen=True, kw_only=True):
    """The program, whole, so that nobody needs to ask; a higher version is newer."""

    settings: ProgramSettings


CUSTOMER_CREATED: Final = Event(
    "customer.created", CustomerChanged, _CORE, "Somebody became a member."
)
CUSTOMER_UPDATED: Final = Event(
    "customer.updated", CustomerChanged, _CORE, "A member's segment or tier changed."
)
PLAN_LIMIT_WARNING: Final = Event(
    "plan_limit_warning", PlanLimitWarning, _CORE, "A shop comes near the end of its plan."
)
SETTINGS_UPDATED: Final = Event(
    "settings.updated", SettingsUpdated, _CORE, "A shop changed its program."
)

CONTRACTS: Final = Contracts(
    operations=(
        GET_SETTINGS,
        UPDATE_SETTINGS,
        GET_CUSTOMER_RFM,
        LIST_MEMBERS,
        GET_MEMBERS,
        GET_USAGE,
    ),
    events=(CUSTOMER_CREATED, CUSTOMER_UPDATED, PLAN_LIMIT_WARNING, SETTINGS_UPDATED),
)
