"""The audit log grows from events: which of them are recorded, and what each record says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

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
    suspensions,
    users,
)
from contracts.caller import Audience
from contracts.kit import Body, Event
from domain.audit import ActorKind, AuditRecord, Change
from ports.audit import Audit
from ports.events import Received
from ports.unit import Unit

_Said = tuple[str, str]
"""What an event is about (kind and id), and what there is to say of it in words."""

_UNNAMED: Final = UUID("5d0b3c52-7d2b-5f0e-9c3e-0f2a5a8a5e11")


def _merchant(event: Received[auth.MerchantCreated]) -> _Said:
    return f"merchant:{event.merchant_id}", event.body.shop_domain


def _merchant_status(event: Received[auth.MerchantChanged]) -> _Said:
    return f"merchant:{event.merchant_id}", event.body.status


def _suspension(event: Received[suspensions.SuspensionChanged]) -> _Said:
    what = "suspended" if event.body.suspended else "resumed"
    return f"merchant:{event.merchant_id}", f"{what}: {event.body.reason}"


def _membership(event: Received[organizations.MembershipChanged]) -> _Said:
    return f"merchant:{event.merchant_id}", f"organization {event.body.organization_id}"


def _user(event: Received[users.UserChanged] | Received[users.UserDeleted]) -> _Said:
    return f"user:{event.body.user_id}", event.body.kind


def _merged(event: Received[users.CustomerMerged]) -> _Said:
    return f"user:{event.body.merged_id}", f"into {event.body.kept_id}"


def _role(event: Received[roles.RoleChanged]) -> _Said:
    body = event.body
    held = " ".join((*body.permissions, *(f"+{parent}" for parent in body.inherits)))
    return f"role:{body.role_id}", f"{body.name}: {held}"


def _role_gone(event: Received[roles.RoleRemoved]) -> _Said:
    return f"role:{event.body.role_id}", event.body.name


def _assigned(event: Received[roles.RoleAssigned]) -> _Said:
    body = event.body
    return f"holder:{body.subject}", f"role: {body.before or 'none'} → {body.role}"


def _unassigned(event: Received[roles.RoleUnassigned]) -> _Said:
    return f"holder:{event.body.subject}", f"role: {event.body.role} → none"


def _points(event: Received[points.PointsMoved]) -> _Said:
    body = event.body
    return (
        f"customer:{body.customer_id}",
        f"{body.points:+d} points, {body.source} {body.source_ref}",
    )


def _reward(event: Received[rewards.RewardChanged]) -> _Said:
    body = event.body
    offered = "archived" if body.archived else "offered" if body.enabled else "not offered"
    return f"reward:{body.reward_id}", f"version {body.version}, {offered}"


def _redemption(event: Received[rewards.RedemptionChanged]) -> _Said:
    return f"redemption:{event.body.redemption_id}", event.body.state


def _referral(event: Received[referrals.ReferralChanged]) -> _Said:
    body = event.body
    return f"referral:{body.referral_id}", f"{body.state} {body.reason}".rstrip()


def _tier(event: Received[campaign.TierAssigned]) -> _Said:
    return f"customer:{event.body.customer_id}", ""


def _badge(event: Received[gamification.BadgeAwarded]) -> _Said:
    return f"customer:{event.body.customer_id}", event.body.badge


def _settings(event: Received[core.SettingsUpdated]) -> _Said:
    return f"merchant:{event.merchant_id}", f"version {event.body.settings.version}"


def _customer(event: Received[core.CustomerChanged]) -> _Said:
    return f"customer:{event.body.customer_id}", ""


def _task(event: Received[event_tracking.TaskMoved]) -> _Said:
    return f"task:{event.body.task_id}", f"{event.body.kind}: {event.body.error}"


def _template(event: Received[admin_features.TemplateUpdated]) -> _Said:
    return f"template:{event.body.kind}", event.body.language


def _privacy(event: Received[admin_core.PrivacyRequestCreated]) -> _Said:
    return f"privacy_request:{event.body.request_id}", event.body.kind


def _impersonation(event: Received[impersonations.ImpersonationMoved]) -> _Said:
    body = event.body
    how = f"ended by {body.ended_by}" if body.ended_by else body.reason
    return (
        f"impersonation:{body.impersonation_id}",
        f"{body.staff_name} as {body.role}: {how}",
    )


def _admin(event: Received[admins.AdminChanged]) -> _Said:
    return f"admin:{event.body.admin_id}", f"{event.body.change}, {event.body.role}"


def _invitation(event: Received[admins.AdminInvited]) -> _Said:
    what = "withdrawn" if event.body.withdrawn else "invited"
    return f"invitation:{event.body.invitation_id}", f"{what}, {event.body.role}"


def _revoked(event: Received[sessions.AuthRevoked]) -> _Said:
    body = event.body
    several = f"{len(body.session_ids)} sessions, {len(body.token_ids)} tokens: {body.reason}"
    if body.subject:
        return f"holder:{body.subject}", several
    if body.token_ids:
        return f"token:{body.token_ids[0]}", several
    return f"merchant:{event.merchant_id}", several


def _key_rotated(event: Received[keys.MerchantKeyRotated]) -> _Said:
    body = event.body
    return f"merchant:{event.merchant_id}", f"key {body.retired_key_id} → {body.key_id}"


def _keys_destroyed(event: Received[keys.MerchantKeyDestroyed]) -> _Said:
    what = "all keys" if event.body.all_keys else f"keys {' '.join(event.body.key_ids)}"
    return f"merchant:{event.merchant_id}", f"{what} destroyed"


_Say = Callable[[Received[Any]], _Said]
_RECORDED: Final[Mapping[Event[Body], _Say]] = {
    auth.MERCHANT_CREATED: _merchant,
    auth.MERCHANT_CHANGED: _merchant_status,
    suspensions.SUSPENSION_CHANGED: _suspension,
    organizations.ORGANIZATION_JOINED: _membership,
    organizations.ORGANIZATION_LEFT: _membership,
    impersonations.IMPERSONATION_STARTED: _impersonation,
    impersonations.IMPERSONATION_ENDED: _impersonation,
    admins.ADMIN_CHANGED: _admin,
    admins.ADMIN_INVITED: _invitation,
    sessions.AUTH_REVOKED: _revoked,
    keys.MERCHANT_KEY_ROTATED: _key_rotated,
    keys.MERCHANT_KEY_DESTROYED: _keys_destroyed,
    users.USER_CREATED: _user,
    users.USER_DELETED: _user,
    users.CUSTOMER_MERGED: _merged,
    roles.ROLE_CREATED: _role,
    roles.ROLE_UPDATED: _role,
    roles.ROLE_DELETED: _role_gone,
    roles.ROLE_ASSIGNED: _assigned,
    roles.ROLE_UNASSIGNED: _unassigned,
    points.EARNED: _points,
    points.ADJUSTED: _points,
    points.REFUNDED: _points,
    points.REDEEMED: _points,
    rewards.REWARD_UPDATED: _reward,
    rewards.RELEASED: _redemption,
    rewards.IN_DOUBT: _redemption,
    rewards.CANCELLED: _redemption,
    rewards.RETURNED: _redemption,
    referrals.REFERRAL_CREATED: _referral,
    referrals.REFERRAL_COMPLETED: _referral,
    referrals.REFERRAL_BLOCKED: _referral,
    campaign.TIER_ASSIGNED: _tier,
    gamification.BADGE_AWARDED: _badge,
    core.SETTINGS_UPDATED: _settings,
    core.CUSTOMER_CREATED: _customer,
    event_tracking.TASK_FAILED: _task,
    admin_features.TEMPLATE_UPDATED: _template,
    admin_core.GDPR_REQUEST_CREATED: _privacy,
}
RECORDED: Final = tuple(_RECORDED)
"""The events that leave a record."""

_KINDS: Final[Mapping[str, ActorKind]] = {
    Audience.MERCHANT: ActorKind.STAFF,
    Audience.CUSTOMER: ActorKind.MEMBER,
    Audience.ADMIN: ActorKind.ADMIN,
}
_SAY: Final = {event.name: say for event, say in _RECORDED.items()}


async def record(unit: Unit[Audit], events: Sequence[Received[Any]]) -> None:
    """One record for each event."""
    await unit.stores.append([_record(event) for event in events])


def _record(event: Received[Any]) -> AuditRecord:
    subject, words = _SAY[event.event.name](event)
    audience, _, actor = event.actor.partition(":")
    kind = _KINDS.get(audience, ActorKind.SERVICE)
    changes: tuple[Change, ...] = ()
    if isinstance(event.body, campaign.TierAssigned):
        changes = (Change("tier", event.body.previous, event.body.tier),)
    return AuditRecord(
        id=_record_id(event.id),
        at=event.at,
        merchant_id=event.merchant_id,
        actor_kind=kind,
        actor=actor or event.event.publisher,
        action=event.event.name,
        subject=subject,
        changes=changes,
        reason=words,
    )


def _record_id(event_id: str) -> UUID:
    """The event's own id, so that an event never leaves two records."""
    try:
        return UUID(event_id)
    except ValueError:
        return uuid5(_UNNAMED, event_id)
