"""Badges: awarded by rule when an order comes, or by hand; each once, and for good."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from contracts.caller import Audience, Caller
from contracts.gamification import (
    BADGE_AWARDED,
    AwardBadge,
    Badge,
    BadgeAwarded,
    Badges,
    ListBadges,
)
from contracts.kit import Instant
from contracts.views import View
from domain.badges import BADGES, due_badges
from domain.errors import InvalidRequest, Problem
from ports.badges import Award, MemberKey, Standings
from ports.events import Received
from ports.unit import Unit, Units

_KNOWN: Final = frozenset(badge.id for badge in BADGES)


class Buyer(View, frozen=True, kw_only=True):
    customer_id: UUID


class BuyersOrder(View, frozen=True, kw_only=True):
    """``contracts.shop.Order`` as far as badges are concerned."""

    test: bool
    cancelled_at: Instant | None = None
    customer: Buyer | None = None


async def apply_orders(unit: Unit[Standings], events: Sequence[Received[Any]]) -> None:
    """Award what these orders have earned their members.

    A badge stays when its order is cancelled later, so it makes no difference which of the two
    events comes first: an order that was ever seen to count has earned it.
    """
    causes: dict[MemberKey, Received[Any]] = {}
    for event in events:
        match event.body:
            case BuyersOrder(customer=Buyer() as customer, test=False, cancelled_at=None):
                causes.setdefault(MemberKey(event.merchant_id, customer.customer_id), event)
    if not causes:
        return
    held = await unit.stores.held(causes)
    now = unit.now()
    awards = [
        Award(member, badge.id, "orders", now)
        for member in causes
        for badge in due_badges(1, held.get(member, ()))
    ]
    for award in await unit.stores.award(awards):
        _announce(unit, award, causes[award.member])


class Shelf:
    def __init__(self, units: Units[Standings]) -> None:
        self._units = units

    async def list(self, caller: Caller, request: ListBadges) -> Badges:
        """A member's badges, oldest first; none for somebody who is no member of this shop."""
        member = MemberKey(caller.tenant, _asked_for(caller, request))
        async with self._units() as unit:
            found = await unit.stores.badges(member)
        return Badges(badges=tuple(Badge(badge=b.badge, awarded_at=b.awarded_at) for b in found))


def _asked_for(caller: Caller, request: ListBadges) -> UUID:
    """Whose badges are meant. A customer's token means its own, whatever the request says."""
    asked = caller.customer_id if caller.audience is Audience.CUSTOMER else request.customer_id
    if asked is None:
        raise InvalidRequest(problems=[Problem("/customer_id", "Name the member.")])
    return asked


async def award_badge(unit: Unit[Standings], caller: Caller, request: AwardBadge) -> Badge:
    """Give a badge by hand. A member who holds it already keeps the first award."""
    if request.badge not in _KNOWN:
        detail = f"One of {', '.join(sorted(_KNOWN))}."
        raise InvalidRequest(problems=[Problem("/badge", detail)])
    member = MemberKey(caller.tenant, request.customer_id)
    for award in await unit.stores.award([Award(member, request.badge, "by_hand", unit.now())]):
        _announce(unit, award, None)
    held = await unit.stores.badges(member)
    (badge,) = (each for each in held if each.badge == request.badge)
    return Badge(badge=badge.badge, awarded_at=badge.awarded_at)


def _announce(unit: Unit[Standings], award: Award, cause: Received[Any] | None) -> None:
    unit.emit(
        BADGE_AWARDED,
        BadgeAwarded(
            customer_id=award.member.customer_id,
            badge=award.badge,
            reason=award.reason,
            occurred_at=award.at,
        ),
        award.member.merchant_id,
        cause=cause,
    )
