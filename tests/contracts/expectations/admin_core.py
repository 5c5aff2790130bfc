"""What admin_core relies on: what the audit log says of each event, and privacy requests."""

from uuid import UUID

from contracts import (
    admin_core,
    admin_features,
    admins,
    auth,
    campaign,
    core,
    event_tracking,
    gamification,
    impersonations,
    keys,
    organizations,
    points,
    referrals,
    rewards,
    roles,
    sessions,
    shop,
    suspensions,
    users,
)
from tests.contracts.pacts import Pact, Part, Reads
from tests.contracts.parts import KEYS_OF_SHOPS, RESEALING, Program


class NewShop(Part, frozen=True, kw_only=True):
    shop_domain: str


class ShopStatus(Part, frozen=True, kw_only=True):
    status: str


class Suspended(Part, frozen=True, kw_only=True):
    suspended: bool
    reason: str


class Membership(Part, frozen=True, kw_only=True):
    organization_id: UUID


class Visit(Part, frozen=True, kw_only=True):
    impersonation_id: UUID
    staff_name: str
    role: str
    reason: str
    ended_by: str = ""


class Colleague(Part, frozen=True, kw_only=True):
    admin_id: UUID
    change: str
    role: str


class Invited(Part, frozen=True, kw_only=True):
    invitation_id: UUID
    role: str
    withdrawn: bool = False


class Person(Part, frozen=True, kw_only=True):
    user_id: UUID
    kind: str


class Merged(Part, frozen=True, kw_only=True):
    kept_id: UUID
    merged_id: UUID


class Role(Part, frozen=True, kw_only=True):
    role_id: UUID
    name: str
    permissions: tuple[str, ...]
    inherits: tuple[str, ...] = ()


class RoleGone(Part, frozen=True, kw_only=True):
    role_id: UUID
    name: str


class Given(Part, frozen=True, kw_only=True):
    subject: str
    role: str
    before: str = ""


class Taken(Part, frozen=True, kw_only=True):
    subject: str
    role: str


class Moved(Part, frozen=True, kw_only=True):
    customer_id: UUID
    points: int
    source: str
    source_ref: str


class Offered(Part, frozen=True, kw_only=True):
    reward_id: UUID
    version: int
    enabled: bool
    archived: bool


class Redeemed(Part, frozen=True, kw_only=True):
    redemption_id: UUID
    state: str


class Referral(Part, frozen=True, kw_only=True):
    referral_id: UUID
    state: str
    reason: str = ""


class Ended(Part, frozen=True, kw_only=True):
    session_ids: tuple[UUID, ...] = ()
    token_ids: tuple[str, ...] = ()
    reason: str
    subject: str = ""


class Tier(Part, frozen=True, kw_only=True):
    customer_id: UUID
    tier: str
    previous: str = ""


class Badge(Part, frozen=True, kw_only=True):
    customer_id: UUID
    badge: str


class Customer(Part, frozen=True, kw_only=True):
    customer_id: UUID


class Task(Part, frozen=True, kw_only=True):
    task_id: UUID
    kind: str
    error: str = ""


class Template(Part, frozen=True, kw_only=True):
    kind: str
    language: str


class PrivacyCase(Part, frozen=True, kw_only=True):
    request_id: UUID
    kind: str


class PrivacyRequest(Part, frozen=True, kw_only=True):
    request_key: str
    shopify_customer_id: str = ""
    customer_id: UUID | None = None
    order_ids: tuple[str, ...] = ()
    sealed_payload: str = ""


class NewKey(Part, frozen=True, kw_only=True):
    key_id: str
    retired_key_id: str


class NoKeys(Part, frozen=True, kw_only=True):
    key_ids: tuple[str, ...]
    all_keys: bool


PACT = Pact(
    "admin_core",
    reads=(
        Reads((auth.MERCHANT_CREATED,), NewShop),
        Reads((auth.MERCHANT_CHANGED,), ShopStatus),
        Reads((suspensions.SUSPENSION_CHANGED,), Suspended),
        Reads((organizations.ORGANIZATION_JOINED, organizations.ORGANIZATION_LEFT), Membership),
        Reads((impersonations.IMPERSONATION_STARTED, impersonations.IMPERSONATION_ENDED), Visit),
        Reads((admins.ADMIN_CHANGED,), Colleague),
        Reads((admins.ADMIN_INVITED,), Invited),
        Reads((sessions.AUTH_REVOKED,), Ended),
        Reads((users.USER_CREATED, users.USER_DELETED), Person),
        Reads((users.CUSTOMER_MERGED,), Merged),
        Reads((roles.ROLE_CREATED, roles.ROLE_UPDATED), Role),
        Reads((roles.ROLE_DELETED,), RoleGone),
        Reads((roles.ROLE_ASSIGNED,), Given),
        Reads((roles.ROLE_UNASSIGNED,), Taken),
        Reads((points.EARNED, points.ADJUSTED, points.REFUNDED, points.REDEEMED), Moved),
        Reads((rewards.REWARD_UPDATED,), Offered),
        Reads((rewards.RELEASED, rewards.IN_DOUBT, rewards.CANCELLED, rewards.RETURNED), Redeemed),
        Reads(
            (
                referrals.REFERRAL_CREATED,
                referrals.REFERRAL_COMPLETED,
                referrals.REFERRAL_BLOCKED,
            ),
            Referral,
        ),
        Reads((campaign.TIER_ASSIGNED,), Tier),
        Reads((gamification.BADGE_AWARDED,), Badge),
        Reads((core.SETTINGS_UPDATED,), Program),
        Reads((core.CUSTOMER_CREATED,), Customer),
        Reads((event_tracking.TASK_FAILED,), Task),
        Reads((admin_features.TEMPLATE_UPDATED,), Template),
        Reads((admin_core.GDPR_REQUEST_CREATED,), PrivacyCase),
        Reads((shop.DATA_REQUESTED, shop.CUSTOMER_REDACTED, shop.SHOP_REDACTED), PrivacyRequest),
        Reads((keys.MERCHANT_KEY_ROTATED,), NewKey),
        Reads((keys.MERCHANT_KEY_DESTROYED,), NoKeys),
        *RESEALING,
    ),
    calls=KEYS_OF_SHOPS,
)
