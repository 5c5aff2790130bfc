"""Shops come, are asked for, and go."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.auth import (
    MERCHANT_CHANGED,
    MERCHANT_CREATED,
    Merchant,
    MerchantChanged,
    MerchantCreated,
    RegisterMerchant,
    ValidateMerchant,
)
from contracts.caller import Caller
from domain.errors import InvalidRequest, NotFound, Problem
from domain.money import is_currency
from ports.events import Received
from ports.merchants import MerchantRow, Merchants, Status
from ports.sealing import MerchantKeys
from ports.unit import Unit, Units
from services.auth.domains import normalised


class Shops:
    def __init__(self, units: Units[Merchants], keys: MerchantKeys) -> None:
        self._units = units
        self._keys = keys

    async def validate(self, _: Caller, request: ValidateMerchant) -> Merchant:
        async with self._units() as unit:
            if request.merchant_id is not None and not request.shop_domain:
                found = await unit.stores.by_id(request.merchant_id)
            elif request.merchant_id is None and request.shop_domain:
                found = await unit.stores.by_domain(normalised(request.shop_domain))
            else:
                detail = "Name the shop by one of shop_domain and merchant_id."
                raise InvalidRequest(problems=[Problem("/shop_domain", detail)])
        if found is None:
            raise NotFound("No shop of this name uses LoyalNest.")
        return _answer(found)

    async def register(
        self, unit: Unit[Merchants], _: Caller, request: RegisterMerchant
    ) -> Merchant:
        """Take in a shop. Of two that do it at once, one makes the shop and both get it."""
        _check(request)
        now = unit.now()
        merchant_id = unit.new_id()
        new = MerchantRow(
            merchant_id=merchant_id,
            shop_domain=normalised(request.shop_domain),
            status=Status.ACTIVE,
            currency=request.currency,
            time_zone=request.time_zone,
            wrapped_key=self._keys.wrap_new(merchant_id),
            installed_at=now,
            seen_at=now,
            changed_at=now,
        )
        if await unit.stores.add(new):
            created = MerchantCreated(
                shop_domain=new.shop_domain,
                currency=new.currency,
                time_zone=new.time_zone,
                installed_at=now,
            )
            unit.emit(MERCHANT_CREATED, created, merchant_id)
            return _answer(new)
        # Only an installed app registers. Remembering when keeps an uninstall webhook that is
        # still under way from ending what began after it, even if it has not been seen yet.
        known = await unit.stores.lock(new.shop_domain)
        kept = replace(known, seen_at=max(now, known.seen_at))
        if known.status is Status.UNINSTALLED:
            kept = replace(kept, status=Status.ACTIVE, installed_at=now, changed_at=now)
            _emit_changed(unit, kept)
        await unit.stores.keep(kept)
        return _answer(kept)


async def apply_uninstalls(unit: Unit[Merchants], events: Sequence[Received[Any]]) -> None:
    """Mark shops as uninstalled that have removed the app and not installed it again since."""
    latest: dict[UUID, Received[Any]] = {}
    for event in events:
        known = latest.get(event.merchant_id)
        if known is None or known.at < event.at:
            latest[event.merchant_id] = event
    gone = await unit.stores.uninstall({key: each.at for key, each in latest.items()}, unit.now())
    for merchant in gone:
        _emit_changed(unit, merchant, latest[merchant.merchant_id])


def _emit_changed(
    unit: Unit[Merchants], merchant: MerchantRow, cause: Received[Any] | None = None
) -> None:
    body = MerchantChanged(shop_domain=merchant.shop_domain, status=merchant.status)
    unit.emit(MERCHANT_CHANGED, body, merchant.merchant_id, cause=cause)


def _check(request: RegisterMerchant) -> None:
    """Raises InvalidRequest with all that is wrong."""
    problems = []
    if not normalised(request.shop_domain):
        problems.append(Problem("/shop_domain", "Expected <name>.myshopify.com."))
    if not is_currency(request.currency):
        problems.append(Problem("/currency", "Expected an ISO 4217 code such as USD."))
    if not _is_time_zone(request.time_zone):
        problems.append(Problem("/time_zone", "Expected an IANA zone such as Europe/Berlin."))
    if problems:
        raise InvalidRequest(problems=problems)


def _is_time_zone(name: str) -> bool:
    if name == "localtime" or name.startswith(("posix", "right/")):
        return False  # files of the zone database that are no zones
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _answer(merchant: MerchantRow) -> Merchant:
    return Merchant(
        merchant_id=merchant.merchant_id,
        shop_domain=merchant.shop_domain,
        status=merchant.status,
        currency=merchant.currency,
        time_zone=merchant.time_zone,
        wrapped_key=merchant.wrapped_key,
        installed_at=merchant.installed_at,
    )
