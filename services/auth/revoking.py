"""Who may end which session, and what gateways have to refuse because of it."""

import re
from typing import Final

from contracts.caller import Audience, Caller
from contracts.kit import Nothing
from contracts.paging import cursor_of, limit_problems
from contracts.sessions import (
    ListRevoked,
    ListSessions,
    Revoke,
    Revoked,
    RevokedItem,
    RevokedList,
    RevokeSession,
    SessionInfo,
    SessionsPage,
    Why,
)
from domain.admins.impersonation import is_impersonation
from domain.errors import InvalidRequest, NotFound, Problem
from domain.shop_domain import normalised
from ports.merchants import Merchants
from ports.sessions import Holder, Session, SessionBook
from ports.tokens import BEARERS
from ports.unit import Units
from services.auth.impersonating import Impersonating
from services.auth.sessions import Sessions

_TOKEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MOST_SUBJECT: Final = 200
_NO_SESSION: Final = "There is no such session."


class Revoking:
    """``of_shop`` opens transactions that see the caller's shop only."""

    def __init__(
        self,
        units: Units[SessionBook],
        of_shop: Units[SessionBook],
        merchants: Units[Merchants],
        sessions: Sessions,
        impersonating: Impersonating,
    ) -> None:
        self._units = units
        self._of_shop = of_shop
        self._merchants = merchants
        self._sessions = sessions
        self._impersonating = impersonating

    async def log_out(self, caller: Caller, _: Nothing) -> Revoked:
        if caller.session_id is None:
            return Revoked(sessions=0)
        ended = await self._sessions.revoke(caller.session_id, why=Why.LOGGED_OUT, by=caller.name)
        if is_impersonation(caller.actor):
            await self._impersonating.leave(caller)
        return Revoked(sessions=ended)

    async def page(self, caller: Caller, request: ListSessions) -> SessionsPage:
        problems = limit_problems(request.limit)
        after = cursor_of(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._of(caller)() as unit:
            found = await unit.stores.of_holder(
                _holder(caller), unit.now(), after, request.limit + 1
            )
        page = found[: request.limit]
        return SessionsPage(
            sessions=tuple(_info(each, caller) for each in page),
            next_cursor=str(page[-1].session_id) if len(found) > len(page) else None,
        )

    async def revoke_own(self, caller: Caller, request: RevokeSession) -> Revoked:
        async with self._of(caller)() as unit:
            found = await unit.stores.find(request.session_id)
        if found is None or _whose(found.holder) != _whose(_holder(caller)):
            raise NotFound(_NO_SESSION)
        return Revoked(sessions=await self._sessions.revoke(found.session_id, by=caller.name))

    def _of(self, caller: Caller) -> Units[SessionBook]:
        """LoyalNest's staff has sessions of no shop."""
        return self._units if caller.merchant_id is None else self._of_shop

    async def revoke(self, caller: Caller, request: Revoke) -> Revoked:
        """For LoyalNest's staff. Ending what was ended before is fine and changes nothing."""
        _check(request)
        by = caller.name
        if request.token_id:
            tokens = await self._sessions.revoke_token(request.token_id, by=by)
            return Revoked(sessions=0, tokens=tokens)
        if request.session_id is not None:
            async with self._units() as unit:
                if await unit.stores.find(request.session_id) is None:
                    raise NotFound(_NO_SESSION)
            return Revoked(sessions=await self._sessions.revoke(request.session_id, by=by))
        merchant_id = None
        if request.shop_domain:
            async with self._merchants() as unit:
                merchant = await unit.stores.by_domain(normalised(request.shop_domain))
            if merchant is None:
                raise NotFound("No shop of this name uses LoyalNest.")
            merchant_id = merchant.merchant_id
            if not request.subject:
                ended = await self._sessions.revoke_of_merchant(merchant_id, by=by)
                return Revoked(sessions=ended)
        ended = await self._sessions.revoke_of_subject(
            Audience(request.audience), request.subject, merchant_id=merchant_id, by=by
        )
        return Revoked(sessions=ended)

    async def list_revoked(self, _: Caller, request: ListRevoked) -> RevokedList:
        async with self._units() as unit:
            as_of, revoked = await unit.stores.revoked(request.since)
        return RevokedList(
            as_of=as_of,
            revoked=tuple(
                RevokedItem(
                    session_id=each.session_id,
                    token_id=each.token_id,
                    expires_at=each.expires_at,
                )
                for each in revoked
            ),
        )


def _holder(caller: Caller) -> Holder:
    return Holder(caller.audience, caller.actor, merchant_id=caller.merchant_id)


def _whose(holder: Holder) -> tuple[object, ...]:
    return holder.audience, holder.subject, holder.merchant_id


def _info(session: Session, caller: Caller) -> SessionInfo:
    return SessionInfo(
        session_id=session.session_id,
        device=session.device,
        role=session.holder.role,
        impersonator=session.holder.impersonator,
        opened_at=session.opened_at,
        refreshed_at=session.refreshed_at,
        expires_at=session.expires_at,
        current=session.session_id == caller.session_id,
    )


def _check(request: Revoke) -> None:
    """Raises InvalidRequest with all that is wrong."""
    problems = []
    about_people = bool(request.subject or request.audience or request.shop_domain)
    if bool(request.token_id) + (request.session_id is not None) + about_people != 1:
        detail = "Name one: token_id, session_id, or people by subject, shop_domain or both."
        problems.append(Problem("/", detail))
    if request.token_id and _TOKEN_ID.fullmatch(request.token_id) is None:
        problems.append(Problem("/token_id", "This is no id of a token."))
    if bool(request.subject) != bool(request.audience):
        problems.append(Problem("/audience", "Needed with subject, and only with it."))
    if request.audience and request.audience not in BEARERS:
        problems.append(Problem("/audience", f"Expected one of {', '.join(sorted(BEARERS))}."))
    if len(request.subject) > _MOST_SUBJECT:
        problems.append(Problem("/subject", f"At most {_MOST_SUBJECT} characters."))
    if problems:
        raise InvalidRequest(problems=problems)
