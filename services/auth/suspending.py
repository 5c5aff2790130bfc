"""LoyalNest's staff closes a shop for a time: its sessions end at once, and nothing is deleted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from contracts.auth import MERCHANT_CHANGED, MerchantChanged
from contracts.caller import Caller
from contracts.paging import cursor_of, limit_problems
from contracts.sessions import Why
from contracts.suspensions import (
    SUSPENSION_CHANGED,
    ChangeSuspension,
    ListSuspended,
    ShopStanding,
    SuspendedShops,
    SuspensionChanged,
)
from domain.admins.impersonation import reason_problems
from domain.errors import InvalidRequest, NotFound
from domain.shop_domain import normalised
from ports.merchants import MerchantRow, Merchants, Status, Suspension
from ports.unit import Units
from services.auth.sessions import Sessions


class Suspending:
    def __init__(self, units: Units[Merchants], sessions: Sessions) -> None:
        self._units = units
        self._sessions = sessions

    async def suspend(self, caller: Caller, request: ChangeSuspension) -> ShopStanding:
        def suspended(shop: MerchantRow, now: datetime) -> MerchantRow:
            if shop.suspension is not None:
                return shop
            status = Status.SUSPENDED if shop.status is Status.ACTIVE else shop.status
            why = Suspension(now, caller.name, request.reason.strip())
            return replace(shop, suspension=why, status=status, changed_at=now)

        shop = await self._change(caller, request, suspended)
        # At once, and also when it is repeated: whoever tried before may not have come so far.
        await self._sessions.revoke_of_merchant(
            shop.merchant_id, why=Why.SHOP_CLOSED, by=caller.name
        )
        return _standing(shop)

    async def resume(self, caller: Caller, request: ChangeSuspension) -> ShopStanding:
        def resumed(shop: MerchantRow, now: datetime) -> MerchantRow:
            if shop.suspension is None:
                return shop
            status = Status.ACTIVE if shop.status is Status.SUSPENDED else shop.status
            return replace(shop, suspension=None, status=status, changed_at=now)

        return _standing(await self._change(caller, request, resumed))

    async def page(self, _: Caller, request: ListSuspended) -> SuspendedShops:
        problems = limit_problems(request.limit)
        after = cursor_of(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        async with self._units() as unit:
            found = await unit.stores.suspended(after, request.limit + 1)
        page = found[: request.limit]
        return SuspendedShops(
            shops=tuple(map(_standing, page)),
            next_cursor=str(page[-1].merchant_id) if len(found) > len(page) else None,
        )

    async def _change(
        self,
        caller: Caller,
        request: ChangeSuspension,
        changed: Callable[[MerchantRow, datetime], MerchantRow],
    ) -> MerchantRow:
        if problems := reason_problems(request.reason):
            raise InvalidRequest(problems=problems)
        domain = normalised(request.shop_domain)
        async with self._units() as unit:
            unit.actor = caller.name
            if await unit.stores.by_domain(domain) is None:
                raise NotFound("No shop of this name uses LoyalNest.")
            before = await unit.stores.lock(domain)
            after = changed(before, unit.now())
            if after is before:
                return before
            await unit.stores.keep(after)
            said = SuspensionChanged(
                shop_domain=after.shop_domain,
                suspended=after.suspension is not None,
                reason=request.reason.strip(),
            )
            unit.emit(SUSPENSION_CHANGED, said, after.merchant_id)
            if after.status is not before.status:
                body = MerchantChanged(shop_domain=after.shop_domain, status=after.status)
                unit.emit(MERCHANT_CHANGED, body, after.merchant_id)
            return after


def _standing(shop: MerchantRow) -> ShopStanding:
    why = shop.suspension
    return ShopStanding(
        merchant_id=shop.merchant_id,
        shop_domain=shop.shop_domain,
        status=shop.status,
        suspended_at=None if why is None else why.at,
        suspended_by="" if why is None else why.by,
        reason="" if why is None else why.reason,
    )
