"""Shops come, are asked for, and go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
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
from contracts.shop import ScopesChanged, Uninstalled
from domain.errors import InvalidRequest, NotFound, Problem
from domain.money import is_currency
from domain.shop_domain import normalised
from ports.events import Received
from ports.installs import InstallStores, ScopeChange
from ports.merchants import MerchantRow, Merchants, Status
from ports.sealing import KeyMaker, NewKeys, WrappedKeys
from ports.unit import Unit, Units

MerchantsT = TypeVar("MerchantsT", bound=Merchants)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shop is to be taken in: as what id, and with which keys if it has none yet."""

    merchant_id: UUID
    keys: NewKeys | None


class Shops:
    def __init__(self, units: Units[Merchants], keys: KeyMaker, new_id: Callable[[], UUID]) -> None:
        self._units = units
        self._keys = keys
        self._new_id = new_id

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
        return answer(found)

    async def register(self, caller: Caller, request: RegisterMerchant) -> Merchant:
        """Take in a shop. Of two that do it at once, one makes the shop and both get it."""
        _check(request)
        while True:
            place = await self.place(normalised(request.shop_domain))
            async with self._units() as unit:
                unit.actor = caller.name
                taken_in = await take_in(unit, place, request, seen_at=unit.now())
                if taken_in is not None:
                    return answer(taken_in)

    async def place(self, shop_domain: str) -> Place:
        """Where to take in this shop. Its keys are made here because that must not be done inside
        the transaction that it is taken in by."""
        async with self._units() as unit:
            known = await unit.stores.by_domain(shop_domain)
        if known is not None and known.keys.data:
            return Place(known.merchant_id, None)
        merchant_id = self._new_id() if known is None else known.merchant_id
        return Place(merchant_id, await self._keys.new(merchant_id))


async def take_in(
    unit: Unit[MerchantsT], place: Place, request: RegisterMerchant, *, seen_at: datetime
) -> MerchantRow | None:
    """Take in a shop that was seen to have the app at ``seen_at``. One that is known is the same
    shop as before, and active again if it had removed the app, unless it is suspended.

    None when the place does not fit any more, because somebody has taken it in or erased it.
    """
    _check(request)
    now = unit.now()
    if place.keys is not None:
        new = MerchantRow(
            merchant_id=place.merchant_id,
            shop_domain=normalised(request.shop_domain),
            status=Status.ACTIVE,
            currency=request.currency,
            time_zone=request.time_zone,
            keys=WrappedKeys(place.keys.data.wrapped, place.keys.index.wrapped, version=1),
            installed_at=now,
            seen_at=seen_at,
            changed_at=now,
        )
        if await unit.stores.add(new, place.keys):
            created = MerchantCreated(
                shop_domain=new.shop_domain,
                currency=new.currency,
                time_zone=new.time_zone,
                installed_at=now,
            )
            unit.emit(MERCHANT_CREATED, created, new.merchant_id)
            return new
    # Remembering when keeps an uninstall webhook that is still under way from ending what began
    # after it, even if it has not been seen yet.
    known = await unit.stores.lock(normalised(request.shop_domain))
    if known.merchant_id != place.merchant_id or bool(known.keys.data) is (place.keys is not None):
        return None
    if place.keys is not None:
        await unit.stores.give_keys(known.merchant_id, place.keys, now)
    kept = replace(known, seen_at=max(seen_at, known.seen_at))
    if known.status is Status.UNINSTALLED:
        status = Status.ACTIVE if known.suspension is None else Status.SUSPENDED
        kept = replace(kept, status=status, installed_at=now, changed_at=now)
        _emit_changed(unit, kept)
    await unit.stores.keep(kept)
    return await unit.stores.by_id(known.merchant_id)


async def apply_uninstalls(unit: Unit[InstallStores], events: Sequence[Received[Any]]) -> None:
    """Shops that have removed the app, and not installed it again since, are marked so, and their
    access to Shopify is deleted. Their sessions end by the event that says so."""
    latest: dict[UUID, tuple[datetime, Received[Any]]] = {}
    for event in events:
        body: Uninstalled = event.body
        at = body.removed_at or event.at
        known = latest.get(event.merchant_id)
        if known is None or known[0] < at:
            latest[event.merchant_id] = (at, event)
    gone = await unit.stores.uninstall({key: at for key, (at, _) in latest.items()}, unit.now())
    await unit.stores.drop_pairs(merchant.merchant_id for merchant in gone)
    for merchant in gone:
        _emit_changed(unit, merchant, latest[merchant.merchant_id][1])


async def apply_scopes(unit: Unit[InstallStores], events: Sequence[Received[Any]]) -> None:
    """Remember what shops grant now; the newest word of each counts."""
    newest: dict[UUID, ScopeChange] = {}
    for event in events:
        body: ScopesChanged = event.body
        known = newest.get(event.merchant_id)
        if known is None or known.changed_at < body.changed_at:
            newest[event.merchant_id] = ScopeChange(body.granted, body.changed_at)
    await unit.stores.change_scopes(newest)


def _emit_changed(
    unit: Unit[MerchantsT], merchant: MerchantRow, cause: Received[Any] | None = None
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


def answer(merchant: MerchantRow) -> Merchant:
    return Merchant(
        merchant_id=merchant.merchant_id,
        shop_domain=merchant.shop_domain,
        status=merchant.status,
        currency=merchant.currency,
        time_zone=merchant.time_zone,
        wrapped_key=merchant.keys.data,
        installed_at=merchant.installed_at,
        index_key=merchant.keys.index,
        older_keys=merchant.keys.older,
        keys_version=merchant.keys.version,
    )
