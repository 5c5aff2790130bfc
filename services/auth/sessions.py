"""Sessions: opened by a log-in of any kind, gone on with by refresh tokens, ended at once."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from contracts.auth import MerchantChanged
from contracts.caller import NO_SHOP, Audience, Caller
from contracts.sessions import AUTH_REVOKED, AuthRevoked, RefreshSession, TokenPair, Why
from domain.errors import NotFound, Unauthenticated
from ports.events import Received
from ports.merchants import Status
from ports.sessions import (
    GRACE,
    REFRESH_LIFETIME,
    REMEMBERED,
    Holder,
    RefreshTokens,
    Revocation,
    Session,
    SessionBook,
)
from ports.tenancy import within
from ports.tokens import TokenIssuer
from ports.unit import Unit, Units

_MOST_DEVICE: Final = 120  # characters
_MOST_TOKEN: Final = 100  # characters; ours have 43
_AT_ONCE: Final = 1_000
"""Sessions in one event: about 40 kB."""
_NO_MORE: Final = "This refresh token does not hold, or no longer; log in again."


class Sessions:
    """``of_shop`` opens transactions that see one shop only."""

    def __init__(
        self,
        units: Units[SessionBook],
        of_shop: Units[SessionBook],
        issuer: TokenIssuer,
        refresh_tokens: Callable[[], Awaitable[RefreshTokens]],
    ) -> None:
        self._units = units
        self._of_shop = of_shop
        self._issuer = issuer
        self._refresh_tokens = refresh_tokens

    async def open(self, holder: Holder, *, device: str = "") -> TokenPair:
        """Begin a session for somebody who has proven to be ``holder``. Not from inside a
        transaction: this is one.

        ``device`` says where it was made, in words that its owner will recognise in the list of
        their sessions ("Firefox on Linux"). Raises NotFound when the shop is not active.
        """
        refresh_tokens = await self._refresh_tokens()
        token = refresh_tokens.new()
        async with self._open_for(holder) as unit:
            if not await _may_go_on(unit, holder):
                raise NotFound("No shop of this name uses LoyalNest.")
            now = unit.now()
            ends_at = None if holder.lifetime is None else now + holder.lifetime
            session = Session(
                session_id=unit.new_id(),
                holder=holder,
                device="".join(filter(str.isprintable, device))[:_MOST_DEVICE],
                opened_at=now,
                refreshed_at=now,
                expires_at=_expiry(now, ends_at),
                ends_at=ends_at,
            )
            await unit.stores.add(session, refresh_tokens.hash(token))
        return self._pair(session, token)

    @asynccontextmanager
    async def _open_for(self, holder: Holder) -> AsyncIterator[Unit[SessionBook]]:
        if holder.merchant_id is None:
            async with self._units() as unit:
                yield unit
        else:
            with within([holder.merchant_id]):
                async with self._of_shop() as unit:
                    yield unit

    async def refresh(self, _: Caller, request: RefreshSession) -> TokenPair:
        """The next pair. Whoever lost the answer asks again within ``GRACE`` and gets the same
        refresh token; any other second use ends the session."""
        token = request.refresh_token
        if len(token) > _MOST_TOKEN:
            raise Unauthenticated(_NO_MORE)
        refresh_tokens = await self._refresh_tokens()
        async with self._units() as unit:
            pair = await self._next(unit, refresh_tokens, token)
        if pair is None:  # only now: what was ended has to be committed
            raise Unauthenticated(_NO_MORE)
        return pair

    async def revoke(self, session_id: UUID, *, why: Why = Why.REVOKED, by: str = "") -> int:
        """End a session. Answers how many were ended that had not been: 0 or 1.

        ``by`` is for whom it is done (``Caller.name``); empty when auth acts by itself.
        """
        async with self._units() as unit:
            unit.actor = by
            ended = await unit.stores.revoke([session_id], unit.now(), why)
            await _tell(unit, ended, why)
        return len(ended)

    async def revoke_of_subject(
        self,
        audience: Audience,
        subject: str,
        *,
        merchant_id: UUID | None = None,
        why: Why = Why.REVOKED,
        by: str = "",
    ) -> int:
        """End all sessions of a person, also those in which they act as somebody else; in one shop
        or, without ``merchant_id``, in all."""
        async with self._units() as unit:
            unit.actor = by
            ended = await unit.stores.revoke_of_subject(
                audience, subject, merchant_id, unit.now(), why
            )
            await _tell(unit, ended, why)
        return len(ended)

    async def revoke_of_merchant(
        self, merchant_id: UUID, *, why: Why = Why.REVOKED, by: str = ""
    ) -> int:
        """End all sessions in a shop."""
        async with self._units() as unit:
            unit.actor = by
            ended = await unit.stores.revoke_of_merchant(merchant_id, unit.now(), why)
            await _tell(unit, ended, why)
        return len(ended)

    async def revoke_token(self, token_id: str, *, by: str = "") -> int:
        """End one access token; its session goes on. Answers 0 if that was done before."""
        async with self._units() as unit:
            unit.actor = by
            expires_at = unit.now() + REMEMBERED
            ended = await unit.stores.remember([Revocation(None, token_id, expires_at)])
            if ended:
                body = AuthRevoked(token_ids=(token_id,), expires_at=expires_at, reason=Why.REVOKED)
                unit.emit(AUTH_REVOKED, body, NO_SHOP)
        return ended

    async def _next(
        self, unit: Unit[SessionBook], refresh_tokens: RefreshTokens, token: str
    ) -> TokenPair | None:
        """The next pair; None for a token that does not hold."""
        now = unit.now()
        shown = await unit.stores.of_token(refresh_tokens.hash(token))
        if shown is None or shown.session.revoked_at is not None or now >= shown.session.expires_at:
            return None
        session = shown.session
        if shown.newest:
            if not await _may_go_on(unit, session.holder):
                return None
            salt = refresh_tokens.salt()
            successor = refresh_tokens.successor(token, salt)
            session = replace(session, refreshed_at=now, expires_at=_expiry(now, session.ends_at))
            await unit.stores.rotate(session, salt, refresh_tokens.hash(successor))
            return self._pair(session, successor)
        if shown.salt is not None and now - session.refreshed_at <= GRACE:
            if not await _may_go_on(unit, session.holder):
                return None
            return self._pair(session, refresh_tokens.successor(token, shown.salt))
        ended = await unit.stores.revoke([session.session_id], now, Why.REUSED)
        await _tell(unit, ended, Why.REUSED)
        return None

    def _pair(self, session: Session, refresh_token: str) -> TokenPair:
        holder = session.holder
        issued = self._issuer.issue(
            holder.audience,
            holder.subject,
            merchant_id=holder.merchant_id,
            customer_id=holder.customer_id,
            role=holder.role,
            session_id=session.session_id,
            impersonator=holder.impersonator,
            until=session.ends_at,
        )
        return TokenPair(
            token=issued.token,
            expires_at=issued.expires_at,
            refresh_token=refresh_token,
            refresh_expires_at=session.expires_at,
        )


async def end_in_closed_shops(unit: Unit[SessionBook], events: Sequence[Received[Any]]) -> None:
    """End the sessions in shops that were suspended or have removed the app."""
    closed_at: dict[UUID, datetime] = {}
    for event in events:
        body: MerchantChanged = event.body
        if body.status != Status.ACTIVE:
            closed_at[event.merchant_id] = max(event.at, closed_at.get(event.merchant_id, event.at))
    if closed_at:
        ended = await unit.stores.revoke_of_closed(closed_at, unit.now(), Why.SHOP_CLOSED)
        await _tell(unit, ended, Why.SHOP_CLOSED)


async def _may_go_on(unit: Unit[SessionBook], holder: Holder) -> bool:
    return holder.merchant_id is None or await unit.stores.shop_is_active(holder.merchant_id)


def _expiry(now: datetime, ends_at: datetime | None) -> datetime:
    """When a refresh token made now is over."""
    expires_at = now + REFRESH_LIFETIME
    return expires_at if ends_at is None else min(expires_at, ends_at)


async def _tell(unit: Unit[SessionBook], ended: Sequence[Session], why: Why) -> None:
    """Have the access tokens refused that these sessions still have."""
    now = unit.now()
    expires_at = now + REMEMBERED
    by_shop: dict[UUID, list[Session]] = defaultdict(list)
    for session in ended:
        by_shop[session.holder.merchant_id or NO_SHOP].append(session)
    # One that was not refreshed for so long has no access token; there may be years of those.
    alive = [each for each in ended if each.refreshed_at + GRACE + REMEMBERED > now]
    await unit.stores.remember(Revocation(each.session_id, "", expires_at) for each in alive)
    for merchant_id, sessions in by_shop.items():
        subjects = {each.holder.subject for each in sessions}
        for start in range(0, len(sessions), _AT_ONCE):
            body = AuthRevoked(
                session_ids=tuple(each.session_id for each in sessions[start : start + _AT_ONCE]),
                expires_at=expires_at,
                reason=why,
                subject=min(subjects) if len(subjects) == 1 else "",
            )
            unit.emit(AUTH_REVOKED, body, merchant_id)
