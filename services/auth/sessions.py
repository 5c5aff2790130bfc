"""Sessions: opened by a log-in of any kind, ended at once by whoever may."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.caller import NO_SHOP, Audience
from contracts.sessions import AUTH_REVOKED, AuthRevoked, TokenPair, Why
from domain.errors import NotFound
from ports.sessions import (
    REFRESH_LIFETIME,
    REMEMBERED,
    Holder,
    RefreshTokens,
    Session,
    SessionBook,
)
from ports.tokens import TokenIssuer
from ports.unit import Unit, Units

_MOST_DEVICE: Final = 120  # characters
_AT_ONCE: Final = 1_000
"""Ids in one event: about 40 kB."""


class Sessions:
    def __init__(
        self, units: Units[SessionBook], issuer: TokenIssuer, refresh: RefreshTokens
    ) -> None:
        self._units = units
        self._issuer = issuer
        self._refresh = refresh

    async def open(self, holder: Holder, *, device: str = "") -> TokenPair:
        """Begin a session for somebody who has proven to be ``holder``.

        ``device`` says where it was made, in words that its owner will recognise in the list of
        their sessions ("Firefox on Linux"). Raises NotFound when the shop is not active.
        """
        token = self._refresh.new()
        async with self._units() as unit:
            if holder.merchant_id is not None and not await unit.stores.shop_is_active(
                holder.merchant_id
            ):
                raise NotFound("No shop of this name uses LoyalNest.")
            now = unit.now()
            ends_at = None if holder.lifetime is None else now + holder.lifetime
            session = Session(
                session_id=unit.new_id(),
                holder=holder,
                device=device[:_MOST_DEVICE],
                opened_at=now,
                refreshed_at=now,
                expires_at=_expiry(now, ends_at),
                ends_at=ends_at,
            )
            await unit.stores.add(session, self._refresh.hash(token))
        return self._pair(session, token)

    async def revoke(self, session_id: UUID, *, why: Why = Why.REVOKED, by: str = "") -> int:
        """End a session. Answers how many were ended that had not been: 0 or 1.

        ``by`` is for whom it is done (``Caller.name``); empty when auth acts by itself.
        """
        async with self._units() as unit:
            unit.actor = by
            ended = await unit.stores.revoke([session_id], unit.now(), why)
            await tell(unit, ended, why)
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
        """End all sessions of a person, in one shop or, without ``merchant_id``, in all."""
        async with self._units() as unit:
            unit.actor = by
            ended = await unit.stores.revoke_of_subject(
                audience, subject, merchant_id, unit.now(), why
            )
            await tell(unit, ended, why)
        return len(ended)

    async def revoke_of_merchant(
        self, merchant_id: UUID, *, why: Why = Why.REVOKED, by: str = ""
    ) -> int:
        """End all sessions in a shop."""
        async with self._units() as unit:
            unit.actor = by
            ended = await unit.stores.revoke_of_merchant(merchant_id, unit.now(), why)
            await tell(unit, ended, why)
        return len(ended)

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


def _expiry(now: datetime, ends_at: datetime | None) -> datetime:
    """When a refresh token made now is over."""
    expires_at = now + REFRESH_LIFETIME
    return expires_at if ends_at is None else min(expires_at, ends_at)


async def tell(unit: Unit[SessionBook], ended: Sequence[Session], why: Why) -> None:
    """Have every gateway refuse the access tokens that these sessions may still have."""
    expires_at = unit.now() + REMEMBERED
    by_shop: dict[UUID | None, list[Session]] = defaultdict(list)
    for session in ended:
        if session.refreshed_at + REMEMBERED > unit.now():
            by_shop[session.holder.merchant_id].append(session)
    for merchant_id, sessions in by_shop.items():
        subjects = {each.holder.subject for each in sessions}
        ids = [str(each.session_id) for each in sessions]
        await unit.stores.remember(ids, expires_at)
        for start in range(0, len(ids), _AT_ONCE):
            body = AuthRevoked(
                ids=tuple(ids[start : start + _AT_ONCE]),
                expires_at=expires_at,
                reason=why,
                subject=min(subjects) if len(subjects) == 1 else "",
            )
            unit.emit(AUTH_REVOKED, body, merchant_id or NO_SHOP)
