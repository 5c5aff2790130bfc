"""LoyalNest's staff acts as a shop's staff: for half an hour, with a reason, for all to see."""

import contextlib
from datetime import timedelta
from typing import Final
from uuid import UUID

from contracts.caller import Audience, Caller
from contracts.impersonations import (
    IMPERSONATION_ENDED,
    IMPERSONATION_STARTED,
    ImpersonationInfo,
    ImpersonationMoved,
    ImpersonationNamed,
    ImpersonationsPage,
    ImpersonationStarted,
    ListImpersonations,
    ListVisits,
    StartImpersonation,
    Visit,
    Visits,
)
from contracts.paging import cursor_of, limit_problems
from contracts.sessions import TokenPair
from domain.admins.impersonation import (
    ANY_STAFF,
    LASTS,
    STAFF_NAMES,
    SUBJECT_PREFIX,
    EndedBy,
    check_role,
    check_shop,
    is_open,
    reason_problems,
    subject,
)
from domain.errors import Forbidden, InvalidRequest, LoyaltyError, NotFound
from ports.admin_log_ins import AdminStores
from ports.impersonations import Impersonation
from ports.sessions import Holder
from ports.unit import Unit, Units
from services.auth.sessions import Sessions
from services.auth.who import admin_id

_AT_ONCE: Final = 100
_OPENING: Final = timedelta(seconds=1)
"""The session begins a moment later, and must not end later."""
_NONE: Final = "There is no such impersonation that goes on."


class Impersonating:
    """``of_shop`` opens transactions that see the caller's shop only."""

    def __init__(
        self, units: Units[AdminStores], of_shop: Units[AdminStores], sessions: Sessions
    ) -> None:
        self._units = units
        self._of_shop = of_shop
        self._sessions = sessions

    async def start(self, caller: Caller, request: StartImpersonation) -> ImpersonationStarted:
        """It is on record before there is a token for it."""
        problems = reason_problems(request.reason)
        if problems:
            raise InvalidRequest(problems=problems)
        check_role(frozenset(caller.permissions), request.role)
        async with self._units() as unit:
            unit.actor = caller.name
            begun = await self._begin(unit, caller, request)
        session = await self._session(caller, begun)
        return ImpersonationStarted(
            impersonation_id=begun.impersonation_id, session=session, ends_at=begun.ends_at
        )

    async def _begin(
        self, unit: Unit[AdminStores], caller: Caller, request: StartImpersonation
    ) -> Impersonation:
        # Held, so that nobody is shut out between this question and the record.
        admin = await unit.stores.admins.lock(admin_id(caller))
        if admin is None or not admin.is_active:
            raise Forbidden
        active = await unit.stores.impersonations.shop_is_active(request.merchant_id)
        if active is None:
            raise NotFound("No such shop uses LoyalNest.")
        check_shop(active=active)
        now = unit.now()
        begun = Impersonation(
            impersonation_id=unit.new_id(),
            merchant_id=request.merchant_id,
            admin_id=admin.admin_id,
            staff_name=STAFF_NAMES.get(admin.role, ANY_STAFF),
            role=request.role,
            reason=request.reason.strip(),
            started_at=now,
            ends_at=now + LASTS,
        )
        await unit.stores.impersonations.add(begun)
        unit.emit(IMPERSONATION_STARTED, _said(begun), begun.merchant_id)
        return begun

    async def _session(self, caller: Caller, begun: Impersonation) -> TokenPair:
        """Raises NotFound when the shop was closed, or the impersonation ended, in the meantime."""
        async with self._units() as unit:
            left = begun.ends_at - unit.now() - _OPENING
        holder = Holder(
            Audience.MERCHANT,
            subject(begun.impersonation_id),
            merchant_id=begun.merchant_id,
            role=begun.role,
            impersonator=caller.name,
            lifetime=left,
        )
        try:
            session = await self._sessions.open(holder)
        except LoyaltyError:
            with contextlib.suppress(LoyaltyError):
                await self._end(self._units, caller, begun.impersonation_id, None, EndedBy.STAFF)
            raise
        # Whoever ended it while the session was opened may not have seen it: then it ends here.
        async with self._units() as unit:
            now = await unit.stores.impersonations.find(begun.impersonation_id)
            still = now is not None and is_open(now.started_at, now.ended_at, unit.now())
        if not still:
            await self._revoke(begun.impersonation_id, caller)
            raise NotFound(_NONE)
        return session

    async def page(self, _: Caller, request: ListImpersonations) -> ImpersonationsPage:
        page, cursor = await _page(self._units, request.merchant_id, request.limit, request.cursor)
        return ImpersonationsPage(impersonations=tuple(map(_info, page)), next_cursor=cursor)

    async def visits(self, caller: Caller, request: ListVisits) -> Visits:
        page, cursor = await _page(self._of_shop, caller.tenant, request.limit, request.cursor)
        return Visits(visits=tuple(map(_visit, page)), next_cursor=cursor)

    async def end(self, caller: Caller, request: ImpersonationNamed) -> ImpersonationInfo:
        ended = await self._end(self._units, caller, request.impersonation_id, None, EndedBy.STAFF)
        return _info(ended)

    async def end_visit(self, caller: Caller, request: ImpersonationNamed) -> Visit:
        by = EndedBy.STAFF if caller.impersonator else EndedBy.SHOP
        which = request.impersonation_id
        return _visit(await self._end(self._of_shop, caller, which, caller.tenant, by))

    async def leave(self, caller: Caller) -> None:
        """Whoever acts as the shop's staff logs out: with that it is over."""
        which = UUID(caller.actor.removeprefix(SUBJECT_PREFIX))
        with contextlib.suppress(NotFound):  # somebody else was faster
            await self._end(self._of_shop, caller, which, caller.tenant, EndedBy.STAFF)

    async def end_overdue(self) -> None:
        """Put on record that the time of some is over; their tokens are over by themselves."""
        async with self._units() as unit:
            overdue = await unit.stores.impersonations.end_overdue(
                EndedBy.TIME, unit.now(), _AT_ONCE
            )
            for each in overdue:
                say_ended(unit, each)

    async def _end(
        self,
        units: Units[AdminStores],
        caller: Caller,
        impersonation_id: UUID,
        merchant_id: UUID | None,
        by: EndedBy,
    ) -> Impersonation:
        """Raises NotFound when there is none that goes on, in this shop if it says which."""
        async with units() as unit:
            unit.actor = caller.name
            ended = await unit.stores.impersonations.end(
                impersonation_id, merchant_id, by, unit.now()
            )
            if ended is None:
                raise NotFound(_NONE)
            say_ended(unit, ended)
        await self._revoke(impersonation_id, caller)
        return ended

    async def _revoke(self, impersonation_id: UUID, caller: Caller) -> None:
        await self._sessions.revoke_of_subject(
            Audience.MERCHANT, subject(impersonation_id), by=caller.name
        )


async def _page(
    units: Units[AdminStores], merchant_id: UUID | None, limit: int, cursor: str | None
) -> tuple[list[Impersonation], str | None]:
    problems = limit_problems(limit)
    after = cursor_of(cursor, problems)
    if problems:
        raise InvalidRequest(problems=problems)
    async with units() as unit:
        found = await unit.stores.impersonations.page(merchant_id, after, limit + 1)
    page = list(found[:limit])
    return page, str(page[-1].impersonation_id) if len(found) > len(page) else None


def say_ended(unit: Unit[AdminStores], ended: Impersonation) -> None:
    unit.emit(IMPERSONATION_ENDED, _said(ended), ended.merchant_id)


def _said(one: Impersonation) -> ImpersonationMoved:
    return ImpersonationMoved(
        impersonation_id=one.impersonation_id,
        admin_id=one.admin_id,
        staff_name=one.staff_name,
        role=one.role,
        reason=one.reason,
        ends_at=one.ends_at,
        ended_by=one.ended_by,
    )


def _info(one: Impersonation) -> ImpersonationInfo:
    return ImpersonationInfo(
        impersonation_id=one.impersonation_id,
        merchant_id=one.merchant_id,
        admin_id=one.admin_id,
        staff_name=one.staff_name,
        role=one.role,
        reason=one.reason,
        started_at=one.started_at,
        ends_at=one.ends_at,
        ended_at=one.ended_at,
        ended_by=one.ended_by,
    )


def _visit(one: Impersonation) -> Visit:
    return Visit(
        impersonation_id=one.impersonation_id,
        staff_name=one.staff_name,
        role=one.role,
        reason=one.reason,
        started_at=one.started_at,
        ends_at=one.ends_at,
        ended_at=one.ended_at,
        ended_by=one.ended_by,
    )
