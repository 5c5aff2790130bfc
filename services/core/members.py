"""The members' profiles: made up from what users, RFM and campaigns say, and shown to others."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from contracts.caller import Caller
from contracts.campaign import TierAssigned
from contracts.core import (
    CUSTOMER_CREATED,
    CUSTOMER_UPDATED,
    CustomerChanged,
    GetCustomerRFM,
    ListMembers,
    Member,
    MembersFound,
    MembersOf,
)
from contracts.core import Members as MembersPage
from contracts.paging import BAD_CURSOR, MOST, limit_problems
from contracts.rfm import RfmUpdated
from contracts.users import UserChanged
from domain.errors import InvalidRequest, NotFound, Problem
from domain.rfm.segments import Segment
from ports.events import Received
from ports.members import Learnt, MemberProfile, Members, Place, RfmPart, TierPart, Told
from ports.purchases import MemberKey
from ports.unit import Unit, Units

_CUSTOMER: Final = "customer"
_SEGMENTS: Final = frozenset(Segment)


async def learn(unit: Unit[Members], events: Sequence[Received[Any]]) -> None:
    """Bring the profiles to what these events say, the newest version of each part."""
    told: dict[MemberKey, Told] = {}
    causes: dict[MemberKey, Received[Any]] = {}
    for event in events:
        part = _told(event.body)
        if part is None:
            continue
        customer_id, said = part
        key = MemberKey(event.merchant_id, customer_id)
        known = told.get(key)
        told[key] = said if known is None else _together(known, said)
        causes[key] = event
    now = unit.now()
    for key, learnt in (await unit.stores.learn(told)).items():
        unit.emit(
            CUSTOMER_CREATED if learnt.new else CUSTOMER_UPDATED,
            _announcement(key, learnt, now),
            key.merchant_id,
            cause=causes[key],
        )


def _told(body: object) -> tuple[UUID, Told] | None:
    """What one event says, and of whom; None when it is not about a member."""
    match body:
        case UserChanged(kind=kind) as user if kind == _CUSTOMER:
            return user.user_id, Told(user.occurred_at, user.shopify_customer_id)
        case RfmUpdated() as rfm:
            part = RfmPart(
                recency=rfm.recency,
                frequency=rfm.frequency,
                monetary=rfm.monetary,
                segment=rfm.segment,
                orders=rfm.orders,
                spent=rfm.spent,
                last_order_at=rfm.last_order_at,
                version=rfm.version,
            )
            return rfm.customer_id, Told(rfm.occurred_at, rfm.shopify_customer_id, rfm=part)
        case TierAssigned() as assigned:
            tier = TierPart(assigned.tier, assigned.version)
            return assigned.customer_id, Told(
                assigned.occurred_at, assigned.shopify_customer_id, tier=tier
            )
    return None


def _together(a: Told, b: Told) -> Told:
    return Told(
        at=min(a.at, b.at),
        shopify_customer_id=a.shopify_customer_id or b.shopify_customer_id,
        rfm=max(a.rfm, b.rfm, key=lambda part: part.version),
        tier=max(a.tier, b.tier, key=lambda part: part.version),
    )


def _announcement(key: MemberKey, learnt: Learnt, now: datetime) -> CustomerChanged:
    return CustomerChanged(
        customer_id=key.customer_id,
        shopify_customer_id=learnt.shopify_customer_id,
        segment=learnt.segment,
        tier=learnt.tier,
        version=learnt.version,
        occurred_at=now,
    )


class MemberList:
    def __init__(self, units: Units[Members]) -> None:
        self._units = units

    async def get(self, caller: Caller, request: GetCustomerRFM) -> Member:
        async with self._units() as unit:
            found = await unit.stores.find(MemberKey(caller.tenant, request.customer_id))
        if found is None:
            raise NotFound("This shop has no such member.")
        return _member(found)

    async def several(self, caller: Caller, request: MembersOf) -> MembersFound:
        if len(request.customer_ids) > MOST:
            problem = Problem("/customer_ids", f"At most {MOST} members at once.")
            raise InvalidRequest(problems=[problem])
        async with self._units() as unit:
            found = await unit.stores.several(caller.tenant, request.customer_ids)
        return MembersFound(members=tuple(_member(each) for each in found))

    async def page(self, caller: Caller, request: ListMembers) -> MembersPage:
        problems = limit_problems(request.limit)
        if request.segment and request.segment not in _SEGMENTS:
            problems.append(Problem("/segment", "There is no such segment."))
        after = _place(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.page(
                caller.tenant,
                segment=request.segment,
                tier=request.tier,
                after=after,
                limit=request.limit + 1,
            )
        page = found[: request.limit]
        return MembersPage(
            members=tuple(_member(each) for each in page),
            next_cursor=_cursor(page[-1]) if len(found) > len(page) else None,
        )


def _member(profile: MemberProfile) -> Member:
    rfm = profile.rfm
    return Member(
        customer_id=profile.customer_id,
        shopify_customer_id=profile.shopify_customer_id,
        recency=rfm.recency,
        frequency=rfm.frequency,
        monetary=rfm.monetary,
        segment=rfm.segment,
        tier=profile.tier.tier,
        orders=rfm.orders,
        spent=rfm.spent,
        last_order_at=rfm.last_order_at,
        created_at=profile.created_at,
    )


def _cursor(profile: MemberProfile) -> str:
    at = profile.rfm.last_order_at
    place = f"{'' if at is None else at.isoformat()}/{profile.customer_id}"
    return urlsafe_b64encode(place.encode()).decode()


def _place(cursor: str | None, problems: list[Problem]) -> Place | None:
    if cursor is None:
        return None
    try:
        at, _, customer_id = urlsafe_b64decode(cursor.encode()).decode().partition("/")
        place = Place(datetime.fromisoformat(at) if at else None, UUID(customer_id))
    except ValueError:
        problems.append(BAD_CURSOR)
        return None
    if place.last_order_at is not None and place.last_order_at.tzinfo is None:
        problems.append(BAD_CURSOR)
        return None
    return place
